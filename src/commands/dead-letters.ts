// npm run dead-letters -- list|show|requeue|drop: captured messages that no worker could process.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createInterface } from 'node:readline/promises';
import { ConfigModule } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { StorageModule } from '../infra/storage/index.js';
import { createLogger, observabilitySettings } from '../observability/index.js';
import { readSettings } from '../settings.js';
import { BrainError, describeError } from '../shared/index.js';
import { DeadLetterStore, StreamModule } from '../stream/index.js';
import { ExitCode, readCommand, runCommand, type Terminal, USAGE, UsageError } from './dead-letters-command.js';

const terminal: Terminal = {
  isInteractive: process.stdin.isTTY && process.stderr.isTTY,
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
  confirm,
};

try {
  process.exitCode = await run();
} catch (error) {
  process.stderr.write(explain(error));
  process.exitCode = error instanceof UsageError ? ExitCode.WrongUsage : ExitCode.NotDone;
}

async function run(): Promise<number> {
  const command = readCommand(process.argv.slice(2));
  if (command.kind === 'help') {
    terminal.print(USAGE);
    return ExitCode.Done;
  }
  // Warnings go to the same place as the answer, which may be read by a program.
  const settings = readSettings({ ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'error' });
  @Module({ imports: [ConfigModule.forRoot(settings), LifecycleModule, StorageModule, StreamModule] })
  class DeadLettersModule {}
  const app = await NestFactory.createApplicationContext(DeadLettersModule, {
    logger: createLogger(settings.of(observabilitySettings), 'DeadLetters'),
    abortOnError: false,
  });
  try {
    return await runCommand(command, app.get(DeadLetterStore), terminal);
  } finally {
    await app.close();
  }
}

async function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D close it and leave the question open for ever.
  const closed = new Promise<string>((resolve) => {
    lines.once('close', () => {
      resolve('');
    });
  });
  try {
    const answer = await Promise.race([lines.question(`${question} [y/N] `), closed]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\n\n${USAGE}`;
  if (error instanceof BrainError) return `${error.code}: ${describeError(error)}\n`;
  return `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`;
}
