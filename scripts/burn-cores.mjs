// Runs a command beside processes that keep every core busy, to show that it does not depend on time:
// `node scripts/burn-cores.mjs [--burners N] COMMAND [ARGUMENT ...]`. Exits as the command does, and leaves nothing
// behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { burners: { type: 'string', default: String(availableParallelism()) } },
  allowPositionals: true,
  strict: true,
});
const count = Number(values.burners);
const [program, ...args] = positionals;
if (program === undefined || !Number.isInteger(count) || count < 1 || count > 64) {
  console.error('Usage: node scripts/burn-cores.mjs [--burners N] -- COMMAND [ARGUMENT ...]');
  process.exit(2);
}

// A burner ends with the pipe to this process, even after `kill -9`: it looks every quarter of a second.
const BURN = `
  process.stdin.on('end', () => process.exit(0)).resume();
  const burn = () => {
    for (const end = performance.now() + 250; performance.now() < end; );
    setImmediate(burn);
  };
  burn();`;
const burners = Array.from({ length: count }, () =>
  spawn(process.execPath, ['--eval', BURN], { stdio: ['pipe', 'ignore', 'inherit'] }),
);
process.on('exit', () => {
  for (const burner of burners) burner.kill('SIGKILL');
});

console.error(`[burn-cores] ${count} processes keep the cores busy`);
// A group of its own, so that a signal reaches what the command has started, too.
const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    console.error(`[burn-cores] ${signal}: the command is told`);
    process.kill(-child.pid, signal);
  });
}
const startedAt = performance.now();
const [code, signal] = await once(child, 'exit');
console.error(`[burn-cores] ${signal ?? code} after ${Math.round((performance.now() - startedAt) / 1_000)} s`);
process.exit(code ?? 1);
