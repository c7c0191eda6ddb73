// Runs the parts of a program that its arguments name, each with the key behind its name, and prints what they return.
export async function runParts(functions, signIn) {
  const found = {};
  for (const given of process.argv.slice(2)) {
    const [name, key] = given.split("=", 2);
    await signIn(key);
    found[name] = await functions[name]();
  }
  console.log(JSON.stringify(found));
}
