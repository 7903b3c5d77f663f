import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { readSettings } from './config/index.js';
import { createApp } from './create-app.js';
import { assertPortFree } from './infra/lifecycle/index.js';
import { BrainError, describeError } from './shared/index.js';

async function main(): Promise<void> {
  const { server, redis, vorpal } = readSettings(process.env);
  // A second start by mistake must not wait for, or open, what the first one works on.
  await assertPortFree(server.port, server.host);
  const app = await createApp(process.env);
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  try {
    await app.listen(server.port, server.host);
  } catch (error) {
    // What has started by now, the local Vorpal among it, must not be left behind.
    await app.close();
    throw error;
  }
  const logger = new Logger('Brain');
  logger.log(`Listening on ${await app.getUrl()}`);
  logger.log(`Storage: ${redis === undefined ? `SQLite in ${server.dataDir}` : 'Redis'}`);
  logger.log(`Vorpal: ${vorpal.url ?? 'local, started by the brain'}`);
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
