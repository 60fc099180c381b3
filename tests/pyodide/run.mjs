// Runs the Python file beside this one in Pyodide: CPython, compiled to WebAssembly.
//
//   node run.mjs PYODIDE LIBRARIES CHECKOUT [argument of pytest...]
//
// The first three are folders: of the npm package, of Python's site-packages, of the sources.

import { writeSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isMainThread, Worker } from "node:worker_threads";

// Megabytes. Each level of a recursion in C takes some of this stack, and a full one ends the
// process; the tests nest JSON 100,000 levels deep. The main thread has less than one megabyte.
const STACK = 64;

const [pyodide, libraries, checkout, ...args] = process.argv.slice(2);

if (isMainThread) {
  const options = { argv: process.argv.slice(2), resourceLimits: { stackSizeMb: STACK } };
  const worker = new Worker(new URL(import.meta.url), options);
  worker.on("exit", (code) => (process.exitCode = code));
} else {
  const { loadPyodide } = await import(pathToFileURL(resolve(pyodide, "pyodide.mjs")));
  const python = await loadPyodide({
    env: { HOME: "/home/pyodide", PYTHONDONTWRITEBYTECODE: "1" },
    // What a worker writes to its own stdout is shown only when it lets go of its thread.
    stdout: (line) => writeSync(1, line + "\n"),
    stderr: (line) => writeSync(2, line + "\n"),
  });
  python.setStdin({ stdin: () => null });
  python.setStdout({ write: (bytes) => writeSync(1, bytes) });
  python.setStderr({ write: (bytes) => writeSync(2, bytes) });
  python.mountNodeFS("/libraries", resolve(libraries));
  python.mountNodeFS("/micropie", resolve(checkout));
  python.runPython(`
    import os, sys
    os.chdir("/micropie")
    sys.path[:0] = ["tests/pyodide", "packages/micropie/src", "/libraries"]
  `);
  const { serve, test } = python.pyimport("in_pyodide");
  await serve();
  process.exit(test(args));
}
