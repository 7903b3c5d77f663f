// npm run chaos -- [--seed N] [--only NAME,NAME] [--scale short|long] [--json]: what is promised, under faults.
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProgram } from '../../bench/load/child-program.js';
import { describeMachine } from '../../bench/figures/report.js';
import { ExitCode, type Output, readCommand, runCommand, USAGE, UsageError } from './chaos-command.js';
import { SCENARIOS } from './scenarios/index.js';

const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

const output: Output = {
  print: (text) => process.stdout.write(text),
  note: (text) => process.stderr.write(text),
};

// Everything that the scenarios put on the disk is below this folder, so that an interrupted run leaves nothing either.
const folder = mkdtempSync(join(tmpdir(), 'chaos-'));
process.env.TMPDIR = folder;
process.on('exit', () => {
  ChildProgram.killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});
for (const [signal, code] of Object.entries(INTERRUPTED)) process.once(signal, () => process.exit(code));

// Not an exit code alone: a socket that a scenario left open must not keep the program alive.
process.exit(await run(process.argv.slice(2)));

async function run(args: readonly string[]): Promise<number> {
  try {
    const command = readCommand(args, SCENARIOS, () => randomInt(2 ** 32));
    if (command !== 'help') return await runCommand(command, describeMachine(), output);
    output.print(USAGE);
    return ExitCode.Held;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    output.note(`${error.message}\n\n${USAGE}`);
    return ExitCode.WrongUsage;
  }
}
