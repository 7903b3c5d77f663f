import 'reflect-metadata';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigModule } from '../../src/config/index.js';
import { readSettings } from '../../src/settings.js';
import { LifecycleModule } from '../../src/infra/lifecycle/index.js';
import { type RedisClient, removeKeys } from '../../src/infra/redis/index.js';
import { Storage, StorageModule } from '../../src/infra/storage/index.js';
import { createLogger, observabilitySettings, ProgressBar } from '../../src/observability/index.js';
import { newId } from '../../src/shared/index.js';
import { InputStream, type StreamEntry, StreamModule } from '../../src/stream/index.js';
import { ImportsOnly } from './imports-only.js';

const USERS = 100;
const APPENDS_AT_ONCE = 200;

/**
 * Runs `work` with the stream that a brain with this environment reads, and the Redis it is in, if any. Afterwards what
 * is in Redis under its `REDIS_KEY_PREFIX`, which therefore has to be given, is removed.
 */
export async function withStream<T>(
  environment: NodeJS.ProcessEnv & { readonly REDIS_KEY_PREFIX: string },
  work: (stream: InputStream, redis: RedisClient | undefined) => Promise<T>,
): Promise<T> {
  const settings = readSettings({ ...process.env, ...environment, LOG_LEVEL: 'warn' });
  const imports = [ConfigModule.forRoot(settings), LifecycleModule, StorageModule, StreamModule];
  const logger = createLogger(settings.of(observabilitySettings), 'bench');
  const context: INestApplicationContext = await NestFactory.createApplicationContext(
    { module: ImportsOnly, imports },
    { logger, abortOnError: false },
  );
  const { backend } = context.get(Storage);
  const connections = backend.kind === 'redis' ? backend.connections : undefined;
  try {
    return await work(context.get(InputStream), connections?.commands);
  } finally {
    if (connections) await removeKeys(connections, environment.REDIS_KEY_PREFIX);
    await context.close();
  }
}

/** Appends `count` messages of a hundred users. */
export async function fillBacklog(stream: InputStream, count: number): Promise<void> {
  const bar = new ProgressBar('filling the backlog', count);
  for (let from = 0; from < count; from += APPENDS_AT_ONCE) {
    const portion = Array.from({ length: Math.min(APPENDS_AT_ONCE, count - from) }, (_, index) =>
      entryOf(from + index),
    );
    await Promise.all(portion.map((entry) => stream.append(entry)));
    bar.advance(portion.length);
  }
  bar.stop();
}

/** Whose messages they are. */
export const userIds = (): string[] => Array.from({ length: USERS }, (_, index) => userIdOf(index));

const userIdOf = (index: number): string => `user-${index % USERS}`;

function entryOf(index: number): StreamEntry {
  return {
    id: newId(),
    message: messageOf(index),
    timestampMs: Date.now(),
    userId: userIdOf(index),
    sessionId: `session-${index % USERS}`,
    role: 'user',
    context: '',
  };
}

export function messageOf(index: number): string {
  return `Message ${index}: the train to Lisbon leaves at nine, and somebody has to feed the cat meanwhile.`;
}
