/** Makes, styles and changes elements without HTML text. */

/**
 * Creates an element without HTML text, which pages with Trusted Types forbid.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {string} name
 */
export function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  made.setAttribute("part", name);
  return made;
}

/**
 * Styles a shadow root in the document that it is in. A constructed sheet needs no permission from a page's content security policy;
 * a <style> would. It is for one document, and a root that moves to another loses it.
 * @param {ShadowRoot} root @param {string} css
 */
export function adopt(root, css) {
  const sheet = new (viewOf(root).CSSStyleSheet)();
  sheet.replaceSync(css);
  root.adoptedStyleSheets.push(sheet);
}

/** @param {Node} node @returns {typeof globalThis & Window} */
export function viewOf(node) {
  return node.ownerDocument?.defaultView ?? window;
}

/** @param {HTMLElement} target @param {string} text */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
  target.hidden = text === "";
}

/** @param {HTMLElement} target @param {string} type @param {object} detail */
export function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}
