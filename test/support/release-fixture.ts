import { Redis } from 'ioredis';
import { copyFile, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../fixtures/release-0.1.0');
const FAR_MS = 100 * 365 * 24 * 3_600_000;

/** What release 0.1.0 left of `memory:…` and `session:…`, on an empty Redis. */
export async function restoreRedisOf010(url: string): Promise<void> {
  const dump = JSON.parse(await readFile(join(folder, 'redis.json'), 'utf8')) as Record<
    string,
    { expires: boolean; payload: string }
  >;
  const client = new Redis(url);
  for (const [key, { expires, payload }] of Object.entries(dump)) {
    await client.restore(key, expires ? FAR_MS : 0, Buffer.from(payload, 'base64'));
  }
  client.disconnect();
}

/** The same as a data folder. */
export async function copySqliteOf010(dataDir: string): Promise<void> {
  await copyFile(join(folder, 'brain.sqlite'), join(dataDir, 'brain.sqlite'));
}
