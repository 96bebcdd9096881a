/**
 * Returns the pairs of paths, or of folders in them, that differ in case only.
 * @param {string[]} paths with "/" between folders
 * @returns {[string, string][]}
 */
export function sameWithoutCase(paths) {
  const spellings = new Map();
  const pairs = [];
  for (const path of paths) {
    const parts = path.split("/");
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const part = parts.slice(0, depth).join("/");
      const first = spellings.get(part.toLowerCase()) ?? part;
      spellings.set(part.toLowerCase(), first);
      if (first !== part && !pairs.some(([, other]) => other === part)) pairs.push([first, part]);
    }
  }
  return pairs;
}
