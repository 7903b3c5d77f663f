// npm run test:vllm -- [--version X.Y.Z] [--only NAME,NAME] [--url ADDRESS]: what is promised of a real vLLM, on one.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../packages/local-vorpal/src/settings.js';
import { ChildProgram } from '../../bench/load/child-program.js';
import { describeMachine, print } from '../../bench/figures/report.js';
import { withFileLock } from '../../packages/local-vorpal/src/models/files/file-lock.js';
import type { Check, CheckContext, CheckResult } from './check.js';
import { chatsBesideScoring } from './checks/chats-beside-scoring.js';
import { contractSuite } from './checks/contract-suite.js';
import { firstVersion } from './checks/first-version.js';
import { RELEASES } from './release/releases.js';
import { readCommand, UsageError, USAGE, type VllmCommand } from './vllm-command.js';
import { VllmInstaller } from './vllm-installation.js';
import { VllmServer } from './vllm-server.js';

const CHECKS = [contractSuite, firstVersion, chatsBesideScoring];
const INTERRUPTED = { SIGINT: 130, SIGTERM: 143 } as const;

const stopping = new AbortController();
const say = (text: string): void => {
  process.stderr.write(`[vllm] ${text}\n`);
};

// Everything that the checks put on the disk is below this folder, so that an interrupted run leaves nothing either.
const folder = mkdtempSync(join(tmpdir(), 'vllm-'));
process.env.TMPDIR = folder;
process.on('exit', () => {
  VllmServer.killAll();
  ChildProgram.killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
});
for (const [signal, code] of Object.entries(INTERRUPTED)) {
  process.once(signal, () => {
    stopping.abort();
    process.exit(code);
  });
}

// Not an exit code alone: a socket that a check left open must not keep the program alive.
process.exit(await run(process.argv.slice(2)));

async function run(args: readonly string[]): Promise<number> {
  try {
    const command = readCommand(args, RELEASES, CHECKS);
    if (command !== 'help') return (await runCommand(command)) ? 0 : 1;
    print(USAGE);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write(`\n${USAGE}`);
    return 2;
  }
}

async function runCommand(command: VllmCommand): Promise<boolean> {
  if (command.url !== undefined) return runChecks(command, command.url);
  const { cacheDir } = readSettings(process.env).models;
  // Two of them on one machine would measure each other, and install into one folder.
  const lock = join(cacheDir, 'vllm', 'run.lock');
  const onWait = (pid: number | undefined): void => {
    say(`another run (process ${pid ?? 'unknown'}) is under way; this one waits for it`);
  };
  return withFileLock(lock, { signal: stopping.signal, onWait }, async () => {
    const { signal } = stopping;
    const installation = await new VllmInstaller({ cacheDir, release: command.release, say, signal }).install();
    const logFile = join(cacheDir, 'vllm', command.release.version, 'serve.log');
    const { environment } = command.release;
    const server = await VllmServer.start({ installation, environment, logFile, say, signal });
    try {
      return await runChecks(command, server.url);
    } finally {
      await server.stop();
    }
  });
}

async function runChecks({ checks }: VllmCommand, url: string): Promise<boolean> {
  const { version } = (await (await fetch(`${url}/version`)).json()) as { version: string };
  const context: CheckContext = { url, say, signal: stopping.signal };
  const results: { readonly check: Check; readonly result: CheckResult }[] = [];
  for (const check of checks) {
    say(`${check.name}: ${check.promise}`);
    const result = await check.run(context);
    say(`${check.name}: ${result.held ? 'held' : 'VIOLATED'}`);
    results.push({ check, result });
  }
  for (const { check, result } of results) {
    print(`\n${check.name}: ${check.promise}\n${result.held ? 'held' : 'VIOLATED'}\n${result.report}`);
  }
  print(`\nvLLM ${version}; ${describeMachine()}`);
  return results.every(({ result }) => result.held);
}
