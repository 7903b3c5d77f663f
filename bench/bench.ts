// npm run bench -- NAME …: what the programs can do, measured as they are built.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { startRedis } from '../test/support/redis-server.js';

/** One command of `npm run bench -- NAME …`; its program is `bench/benches/NAME.ts`. */
interface Benchmark {
  readonly name: string;
  /** What stands behind the name on the command line. */
  readonly usage: string;
  /** What it measures, in a line. */
  readonly about: string;
  /** Whether it needs `REDIS_URL`, and is given a Redis of its own where none is set. */
  readonly onRedis?: boolean;
}

const BENCHMARKS: readonly Benchmark[] = [
  {
    name: 'chat',
    usage: '[--json]',
    about: 'time of POST /chat with the memory worker busy beside the same with it off',
  },
  {
    name: 'memory',
    usage: '[--sizes 1000,10000] [--json]',
    about: 'insert and search of both stores beside the commands of their engines; takes REDIS_URL',
  },
  {
    name: 'scaling',
    usage: '[--workers 1,2,4] [--batches 2,8,32] [--batch-size 10] [--json]',
    about: 'messages/s of one and several worker processes on one Redis, beside how busy the machine is',
    onRedis: true,
  },
  {
    name: 'scoring',
    usage: '[--json]',
    about: "scored tokens/s of the local Vorpal beside the same library's plain prefill; memory; cold start",
  },
  {
    name: 'search',
    usage: '[--memories 10000] [--json]',
    about: 'POST /memories/search by meaning and words beside meaning alone, and the bytes of a memory',
    onRedis: true,
  },
  {
    name: 'steady',
    usage: '[--minutes 30] [--entries 1000000] [--rate 60] [--backlog N] [--out FILE.svg] [--json]',
    about:
      'memory and latency of a brain under steady load for long, or with a large backlog, plotted; takes REDIS_URL',
  },
  {
    name: 'throughput',
    usage: '[--connections 1,64,256] [--seconds N] [--json]',
    about: 'requests/s of POST /chat over a stub that answers at once: capture on beside off, and a minimal proxy',
  },
  {
    name: 'worker',
    usage: '[--role worker] [--batch-sizes 1,10] [--profile FOLDER] [--json]',
    about: 'scored messages/s of the memory worker beside what a stub Vorpal can serve; takes REDIS_URL',
  },
];

const [name, ...args] = process.argv.slice(2);
const benchmark = BENCHMARKS.find((candidate) => candidate.name === name);
if (benchmark === undefined) {
  process.stderr.write(`${describeBenchmarks(BENCHMARKS, name)}\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await run(benchmark);
}

/** Runs it in a process of its own, which begins with nothing in its memory. @returns its exit code */
async function run({ name: file, onRedis = false }: Benchmark): Promise<number> {
  const { REDIS_URL: given = '' } = process.env;
  // What docs/operations.md tells an operator to run; the tests' own setting syncs for each command.
  const redis = onRedis && given === '' ? await startRedis({ config: { appendfsync: 'everysec' } }) : undefined;
  try {
    const program = fileURLToPath(new URL(`./benches/${file}.ts`, import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, '--enable-source-maps', program, ...args], {
      stdio: 'inherit',
      env: { ...process.env, ...(redis && { REDIS_URL: redis.url }) },
    });
    // Ctrl-C reaches the child by itself; how that ends is how this ends.
    process.on('SIGINT', () => undefined);
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    await once(child, 'exit');
    return child.exitCode ?? 1;
  } finally {
    await redis?.stop();
  }
}

/** What is wrong with the name, and how each is called. */
function describeBenchmarks(all: readonly Benchmark[], wrongName: string | undefined): string {
  const wrong = wrongName === undefined ? 'Name a benchmark.' : `There is no benchmark "${wrongName}".`;
  const lines = all.flatMap(({ name, usage, about }) => [`  npm run bench -- ${name} ${usage}`, `      ${about}`]);
  return [`${wrong}\n`, 'Usage:', ...lines].join('\n');
}
