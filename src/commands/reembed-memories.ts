// npm run memories:reembed [-- --again]: moves all memories to the embedding model of the settings, or has it embed them once
// more. May be broken off and run again.
import 'reflect-metadata';
import { Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { parseArgs } from 'node:util';
import { ConfigModule, readSettings } from '../config/index.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { StorageModule } from '../infra/storage/index.js';
import { MemoryModule, ReembedService } from '../memory/index.js';
import { createLogger, ProgressBar } from '../observability/index.js';
import { BrainError, describeError } from '../shared/index.js';
import { VorpalClient, waitForVorpal } from '../vorpal/index.js';

const EXIT_INTERRUPTED = 130;

try {
  process.exitCode = await run();
} catch (error) {
  const text = error instanceof BrainError ? `${error.code}: ${describeError(error)}` : String(error);
  process.stderr.write(`The memories could not be embedded anew; run the command again to go on.\n${text}\n`);
  process.exitCode = 1;
}

async function run(): Promise<number> {
  const { again } = parseArgs({ options: { again: { type: 'boolean', default: false } } }).values;
  const environment = { ...process.env, LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn' };
  @Module({ imports: [ConfigModule.forRoot(environment), LifecycleModule, StorageModule, MemoryModule] })
  class ReembedModule {}
  const app = await NestFactory.createApplicationContext(ReembedModule, {
    logger: createLogger(readSettings(environment), 'Reembed'),
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
    await waitForVorpal(app.get(VorpalClient));
    const result = await app.get(ReembedService).run({
      signal: stop.signal,
      again,
      onProgress: ({ done, total }, steps) => {
        bar ??= new ProgressBar('embedding memories', total, done - steps);
        bar.advance(steps);
      },
    });
    bar?.stop();
    process.stdout.write(
      result.kind === 'unchanged'
        ? `Nothing to do: the memories are of ${result.space.model} already (--again embeds them once more).\n`
        : `${result.memories} memories embedded anew; the store is of ${result.space.model} (${result.space.dimensions} dimensions) now.\n`,
    );
    return 0;
  } catch (error) {
    bar?.stop();
    if (!stop.signal.aborted) throw error;
    new Logger('Reembed').warn('Broken off; run the command again to go on where it stopped');
    return EXIT_INTERRUPTED;
  } finally {
    await app.close();
  }
}
