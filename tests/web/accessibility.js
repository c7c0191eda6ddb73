// What a screen reader, a keyboard and weak eyes need, looked at on the page as it stands. Returns what is missing.
() => {
  const faults = [];
  const shown = (each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest("[inert]");
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);
  const say = (what, each) => faults.push(`${what}: ${each.outerHTML.slice(0, 160)}`);

  function nameOf(each) {
    const by = each.getAttribute("aria-labelledby");
    if (by) return by.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
    const label = each.getAttribute("aria-label") ?? "";
    const labels = each.labels ? [...each.labels].map((found) => found.textContent).join(" ") : "";
    return (label || labels || each.textContent || each.title).trim();
  }

  // Names.
  for (const each of all("a[href], button, [role=menuitem], [role=region], [role=group], [role=menu], nav, dialog"))
    if (!nameOf(each)) say("no name", each);
  for (const each of all("input, textarea, select")) {
    const given = each.labels?.length || each.hasAttribute("aria-label") || each.hasAttribute("aria-labelledby");
    if (!given) say("no label", each);
  }
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
    for (const each of all(`[${attribute}]`))
      for (const id of each.getAttribute(attribute).split(" "))
        if (!document.getElementById(id)) say(`${attribute} names nothing`, each);
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of ids.filter((id, at) => ids.indexOf(id) !== at)) faults.push(`id twice: ${id}`);

  // Structure.
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title.trim()) faults.push("no title");
  // Under what lies over the page they are still its landmark and its heading.
  const drawn = (selector) => [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility());
  if (drawn("main").length !== 1) faults.push(`${drawn("main").length} main landmarks`);
  if (drawn("h1").length !== 1) faults.push("not one h1");
  const headings = all("h1, h2, h3, h4, h5, h6");
  const inMain = headings.filter((each) => each.closest("main"));
  let level = 0;
  for (const each of inMain) {
    const next = Number(each.localName[1]);
    if (next > level + 1) say(`h${level} is followed by h${next}`, each);
    level = next;
  }
  for (const each of all("ul, ol"))
    for (const child of each.children) if (child.localName !== "li") say("no list item", child);
  for (const each of all("li")) if (!each.parentElement.matches("ul, ol")) say("item without a list", each);
  for (const each of all("[tabindex]")) if (Number(each.getAttribute("tabindex")) > 0) say("tabindex", each);
  for (const each of all("button button, a a, a button, button a")) say("nested", each);

  // Contrast, by WCAG 2.2, 1.4.3: 4.5, or 3 for large text.
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  function rgba(colour) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  const over = ([r, g, b, a], under) => [r, g, b].map((value, at) => value * a + under[at] * (1 - a));
  function ground(each) {
    const layers = [];
    for (let at = each; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, layer) => over(layer, under), rgba("Canvas").slice(0, 3));
  }
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  function contrast(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const each = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !shown(each) || each.closest(".hidden, .skip, [aria-disabled=true], option")) continue;
    const style = getComputedStyle(each);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const under = ground(each);
    const found = contrast(over(rgba(style.color), under), under);
    if (found < enough) say(`contrast ${found.toFixed(2)}`, each);
  }
  for (const each of all("[placeholder]")) {
    const under = ground(each);
    const found = contrast(over(rgba(getComputedStyle(each, "::placeholder").color), under), under);
    if (found < 4.5) say(`contrast of a placeholder ${found.toFixed(2)}`, each);
  }

  // Targets, by WCAG 2.2, 2.5.8: 24 pixels.
  for (const each of all("button, select, input:not([type=checkbox]), [role=menuitem]")) {
    const { width, height } = each.getBoundingClientRect();
    if (width && !each.matches(".link") && (width < 24 || height < 24)) say(`target ${width}x${height}`, each);
  }
  // Nothing goes beyond the screen's side.
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${document.documentElement.scrollWidth} wide`);
  return faults;
}
