import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createApp } from './create-app.js';
import { assertPortFree, lifecycleSettings } from './infra/lifecycle/index.js';
import { redisSettings } from './infra/redis/index.js';
import { storageSettings } from './infra/storage/index.js';
import { readSettings } from './settings.js';
import { vorpalSettings } from './vorpal/index.js';
import { BrainError, describeError } from './shared/index.js';

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const { port, host } = settings.of(lifecycleSettings);
  // A second start by mistake must not wait for, or open, what the first one works on.
  await assertPortFree(port, host);
  const app = await createApp(settings);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  try {
    await app.listen(port, host);
  } catch (error) {
    // What has started by now, the local Vorpal among it, must not be left behind.
    await app.close();
    throw error;
  }
  const logger = new Logger('Brain');
  logger.log(`Listening on ${await app.getUrl()}`);
  const isEmbedded = settings.of(redisSettings).server === undefined;
  logger.log(`Storage: ${isEmbedded ? `SQLite in ${settings.of(storageSettings).dataDir}` : 'Redis'}`);
  logger.log(`Vorpal: ${settings.of(vorpalSettings).url ?? 'local, started by the brain'}`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`Archive-Brain could not start.\n${explain(error)}\n`);
  process.exit(1);
}

function explain(error: unknown): string {
  if (error instanceof BrainError) return `${error.code}: ${describeError(error)}`;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `${error.message}. Another program uses this port; stop it or set PORT to another one.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
