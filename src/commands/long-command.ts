import { type INestApplicationContext, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { StorageModule } from '../infra/storage/index.js';
import { MemoryModule } from '../memory/index.js';
import { createLogger, observabilitySettings, ProgressBar } from '../observability/index.js';
import { readSettings } from '../settings.js';
import { BrainError, describeError } from '../shared/index.js';

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;

export interface LongWork {
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** @param steps how much was done since the last call */
  readonly onProgress: (progress: { readonly done: number; readonly total: number }, steps: number) => void;
}

/** A command about all memories, with the settings of the brain, that may be broken off and run again. */
export interface LongCommand {
  /** In the log. */
  readonly name: string;
  /** What the progress bar says. */
  readonly doing: string;
  /** What is printed where it fails. */
  readonly failed: string;
  /** Returns what is printed at the end. */
  run(app: INestApplicationContext, work: LongWork): Promise<string>;
}

/** Runs `command` with a progress bar and sets the exit code: 0 done, 1 failed, 130 broken off. */
export async function runLongCommand(command: LongCommand): Promise<void> {
  try {
    process.exitCode = await run(command);
  } catch (error) {
    const text = error instanceof BrainError ? `${error.code}: ${describeError(error)}` : String(error);
    process.stderr.write(`${command.failed}\n${text}\n`);
    process.exitCode = EXIT_FAILED;
  }
}

async function run(command: LongCommand): Promise<number> {
  const settings = readSettings({ ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' });
  @Module({ imports: [ConfigModule.forRoot(settings), LifecycleModule, StorageModule, MemoryModule] })
  class CommandModule {}
  const app = await NestFactory.createApplicationContext(CommandModule, {
    logger: createLogger(settings.of(observabilitySettings), command.name),
    abortOnError: false,
  });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop.abort();
    });
  }
  let bar: ProgressBar | undefined;
  try {
    const text = await command.run(app, {
      signal: stop.signal,
      onProgress: ({ done, total }, steps) => {
        bar ??= new ProgressBar(command.doing, total, done - steps);
        bar.advance(steps);
      },
    });
    bar?.stop();
    process.stdout.write(`${text}\n`);
    return 0;
  } catch (error) {
    bar?.stop();
    if (!stop.signal.aborted) throw error;
    new Logger(command.name).warn('Broken off; run the command again to go on where it stopped');
    return EXIT_INTERRUPTED;
  } finally {
    await app.close();
  }
}
