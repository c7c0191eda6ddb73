// Formulas are copied as they were written.
const ofFormula = (element) => element?.closest?.("math") ?? element?.parentElement?.closest("math");

/** The whole of each formula of which some is selected: half of one has no source. */
function widened(range) {
  const whole = range.cloneRange();
  const [first, last] = [ofFormula(range.startContainer), ofFormula(range.endContainer)];
  if (first) whole.setStartBefore(first);
  if (last) whole.setEndAfter(last);
  return whole;
}

document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection.rangeCount || event.target.closest("textarea, input")) return;
  const range = selection.getRangeAt(0);
  const formulas = [...document.querySelectorAll("math")].filter((each) => range.intersectsNode(each));
  if (!formulas.length) return;
  const shown = formulas.map((each) => [each, document.createTextNode(each.getAttribute("alttext"))]);
  const whole = widened(range);
  for (const [formula, source] of shown) formula.replaceWith(source);
  selection.removeAllRanges();
  selection.addRange(whole);
  event.clipboardData.setData("text/plain", selection.toString());
  event.preventDefault();
  for (const [formula, source] of shown) source.replaceWith(formula);
  selection.removeAllRanges();
  selection.addRange(range);
});
