// Measures under Node, on behalf of `bench-credentials`: verification by tables beside the crates' own, in turns.
import { readFileSync } from "node:fs";

const [file, rounds] = [process.argv[2], Number(process.argv[3])];
const bench = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {}).exports;
const algorithms = { ES256: 0, EdDSA: 3, ES384: 1, ES512: 2 };
const CRATE = 0;
const TABLE = 1;

const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
const fail = (words) => {
  throw new Error(words);
};
// Our own time on the processor, in microseconds: what else the machine does is no part of it.
const clock = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const timed = (path, times) => {
  const start = clock();
  const good = bench.countersign_bench_verify(path, times);
  const taken = clock() - start;
  if (good !== times) fail(`${times - good} of ${times} good signatures were refused`);
  return taken / times;
};

for (const [name, index] of Object.entries(algorithms)) {
  if (bench.countersign_bench_prepare(index) !== 1) fail(`no signature by ${name}`);
  timed(TABLE, 4);
  const slices = [];
  for (let more = 1; more === 1; ) {
    const start = clock();
    more = bench.countersign_bench_work();
    slices.push((clock() - start) / 1e3);
  }
  const bytes = bench.countersign_bench_bytes();
  // V8 compiles better what is warm.
  for (let turn = 0; turn < 4; turn++) for (const path of [CRATE, TABLE]) timed(path, 25);
  bench.countersign_bench_by_table();
  const results = [[], []];
  for (let round = 0; round < rounds; round++)
    for (const path of round % 2 ? [TABLE, CRATE] : [CRATE, TABLE]) results[path].push(timed(path, 20));
  if (bench.countersign_bench_by_table() !== rounds * 20) fail(`${name} was not verified by a table`);
  const [crate, table] = results.map(median);
  const build = slices.reduce((sum, slice) => sum + slice, 0);
  console.log(JSON.stringify({ name, crate, table, bytes, build, slices: slices.length, slice: Math.max(...slices) }));
}
