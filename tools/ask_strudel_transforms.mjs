// Ask Strudel again for what the expressions of tests/data/strudel/transforms.json play, and write its answers.
//
//     node tools/ask_strudel_transforms.mjs FOLDER tests/data/strudel/transforms.json
//
// In: the folder that @strudel/core is installed in, and the file, whose keys are expressions of Strudel. Out: the same
// file, each value the events of the cycles 0 to 3, asked for one at a time: [begin, end, value], or
// [begin, end, part begin, part end, value] of a piece. A new expression is added by hand, with [] for its answer.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const CYCLES = 4;
const [folder, file] = process.argv.slice(2);
const module = path.resolve(folder, 'node_modules/@strudel/core/index.mjs');
Object.assign(globalThis, await import(pathToFileURL(module)));

const isFraction = (value) => typeof value === 'object' && 'n' in value && 'd' in value && typeof value.s !== 'string';
const plain = (key, value) => (value && isFraction(value) ? value.valueOf() : value);
const ratio = (time) => `${time.s < 0 ? '-' : ''}${time.n}${time.d > 1 ? `/${time.d}` : ''}`;

function answer(expression) {
  const pattern = (0, eval)(expression);
  const rows = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    for (const event of pattern.queryArc(cycle, cycle + 1)) {
      const whole = [ratio(event.whole.begin), ratio(event.whole.end)];
      const part = [ratio(event.part.begin), ratio(event.part.end)];
      const piece = whole.join() === part.join() ? [] : part;
      rows.push([...whole, ...piece, event.value]);
    }
  }
  return rows;
}

const expressions = Object.keys(JSON.parse(fs.readFileSync(file, 'utf8')));
const lines = expressions.map((text) => `${JSON.stringify(text)}:${JSON.stringify(answer(text), plain)}`);
fs.writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
