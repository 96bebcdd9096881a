/** A browser is a family of processes. */

import { readFileSync, readdirSync } from "node:fs";

/** A process and all that it has started. @returns {number[]} */
export function family(root) {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // The name in brackets may contain anything.
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(")").at(-1).trim().split(" ");
      parents.set(Number(pid), Number(fields[1]));
    } catch {
      // It has ended since.
    }
  }
  const belongs = (pid) => pid === root || (parents.has(pid) && belongs(parents.get(pid)));
  return [...parents.keys()].filter(belongs);
}

/** SIGSTOP and SIGCONT: all of them stand still. */
export function signalFamily(root, name) {
  for (const pid of family(root)) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended by itself.
    }
  }
}
