// Runs a command with REDIS_URL set: as it is where it is set, else to a private Redis that lasts as long as the command.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startRedis } from './redis-server.js';

const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  process.stderr.write('Usage: with-redis COMMAND [ARGUMENT ...]\n');
  process.exit(2);
}
// Ctrl-C reaches the command as well; how that ends is how this ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

const { REDIS_URL: given = '' } = process.env;
// What docs/operations.md tells an operator to run; the tests' own setting syncs for each command.
const redis = given === '' ? await startRedis({ config: { appendfsync: 'everysec' } }) : undefined;
try {
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, REDIS_URL: redis?.url ?? given } });
  await once(child, 'exit');
  process.exitCode = child.exitCode ?? 1;
} finally {
  await redis?.stop();
}
