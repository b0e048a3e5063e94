// Ask Strudel what a pattern in mini-notation plays.
//
//     npm install @strudel/core@1.2.5 @strudel/mini@1.2.5      in a folder of its own
//     node tools/ask_strudel.mjs FOLDER < patterns.json > answers.json
//
// In: [["a b*2", 4], ...] on standard input: patterns, and of how many cycles. Out: for each, in a line of its own, what
// it plays: [[whole begin, whole end, part begin, part end, value], ...], times in cycles as strings, asked for one
// cycle at a time; or {"error": "..."}. Strudel is under the AGPL: it runs as a program of its own, beside this project and
// not in it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
if (folder === undefined) {
  console.error('Name the folder that Strudel is installed in.');
  process.exit(2);
}
const require = createRequire(pathToFileURL(resolve(folder, 'package.json')));
// What Strudel says while it loads is no answer.
console.log = console.warn = console.error;
const { mini } = await import(pathToFileURL(require.resolve('@strudel/mini')));

const asText = (time) => (time.d === 1n || time.d === 1 ? `${time.s * time.n}` : `${time.s * time.n}/${time.d}`);

function plays(pattern, cycles) {
  const events = [];
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const hap of pattern.queryArc(cycle, cycle + 1)) {
      const times = [hap.whole.begin, hap.whole.end, hap.part.begin, hap.part.end];
      events.push([...times.map(asText), hap.value]);
    }
  }
  return events;
}

const answers = JSON.parse(readFileSync(0, 'utf8')).map(([text, cycles]) => {
  try {
    return plays(mini(text), cycles);
  } catch (error) {
    return { error: `${error.message ?? error}` };
  }
});
process.stdout.write(`[\n${answers.map((answer) => JSON.stringify(answer)).join(',\n')}\n]\n`);
