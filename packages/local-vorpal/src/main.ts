import type { LoggerService } from '@nestjs/common';
import { readSettings, type Settings } from './settings.js';
import { createLogger, describeError, SettingsError } from '@archive-brain/common';
import { LocalVorpal } from './local-vorpal.js';

/** The brain starts this program as its child and talks to it over the IPC channel. */
const isChild = process.send !== undefined;

const settings = settingsOrExit();
const logger = createLogger(settings, 'LocalVorpal');

process.on('uncaughtException', (error) => {
  logger.fatal(`Unexpected failure; the program ends. ${error.stack ?? describeError(error)}`);
  process.exit(1);
});

const vorpal = new LocalVorpal(settings, logger);
let stopping: Promise<void> | undefined;

await startOrExit();

async function startOrExit(): Promise<void> {
  followOrders();
  try {
    const url = await vorpal.start();
    logger.log(`Listening on ${url}`);
    if (process.connected) process.send?.({ type: 'listening', url });
  } catch (error) {
    logger.fatal(describeStartFailure(error, settings.server));
    process.exit(1);
  }
}

function followOrders(): void {
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    // A terminal signals the whole group; the brain still needs its child to finish its own work, and ends it then.
    process.on(name, () => {
      if (!isChild) stop(logger);
    });
  }
  if (!isChild) return;
  process.on('message', (message) => {
    if (isShutdown(message)) stop(logger);
  });
  process.on('disconnect', () => process.exit(1));
  // The brain may have stopped waiting while this program was still loading.
  if (!process.connected) process.exit(1);
}

function stop(log: LoggerService): void {
  stopping ??= (async () => {
    log.log('Stopping: no more requests, those in flight may finish');
    await vorpal.stop();
    process.exit(0);
  })();
}

function isShutdown(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'shutdown';
}

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

function describeStartFailure(error: unknown, { host, port }: Settings['server']): string {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `Port ${port} on ${host} is taken. Stop the other program or set LOCAL_VORPAL_PORT to another port.`;
  }
  return `Cannot start: ${describeError(error)}`;
}
