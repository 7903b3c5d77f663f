import type { StreamSettings } from '../../stream.settings.js';
import { type RedisConnections, type StreamKeys, streamKeys } from '../../../infra/redis/index.js';
import { type DeadLetter, type DeadLetterPage, DeadLetterStore } from '../../dead-letters/dead-letter-store.port.js';
import type { StreamEntry } from '../../input-stream.port.js';
import { decodeEntry, encodeEntry } from '../../stored-entry.js';
import { KNOWN_IDS } from '../../stream-limits.js';
import { DeadLetterNotFoundError, DeadLetterUndecodableError } from '../../dead-letters/dead-letters.errors.js';
import { DROP_DEAD_LETTER, REQUEUE } from './redis-dead-letter-scripts.js';
import { reachingRedis } from './redis-failures.js';
import { parseRange, type RawEntry } from './redis-replies.js';

/** Fields that `DEAD_LETTER` adds behind those of the entry. */
const LETTER_FIELDS = new Set(['error', 'deliveries', 'dead_lettered_at', 'entry']);
// A number beyond 64 bits is an error to Redis, not an id that does not exist.
const STREAM_ID = /^\d{1,19}-\d{1,19}$/;

/** {@link DeadLetterStore} on a Redis stream beside that of the entries. */
export class RedisDeadLetterStore extends DeadLetterStore {
  private readonly keys: StreamKeys;

  constructor(
    private readonly connections: RedisConnections,
    settings: Pick<StreamSettings, 'key'>,
  ) {
    super();
    this.keys = streamKeys(settings, connections.topology);
  }

  async list({ limit, after }: DeadLetterPage): Promise<DeadLetter[]> {
    const start = after === undefined ? '-' : `(${streamIdOf(after)}`;
    return reachingRedis(async () => {
      const reply = await this.connections.commands.xrange(this.keys.deadLetters, start, '+', 'COUNT', limit);
      return parseRange(reply).map(toDeadLetter);
    });
  }

  async find(handle: string): Promise<DeadLetter> {
    return toDeadLetter(await this.read(handle));
  }

  async requeue(handle: string): Promise<StreamEntry> {
    const { fields } = await this.read(handle);
    const { entry, problem } = decodeEntry(fields ?? {});
    if (!entry) throw new DeadLetterUndecodableError(problem);
    const { entries, deadLetters, knownIds, index } = this.keys;
    const stored = Object.entries(encodeEntry(entry)).flat();
    const moved = await reachingRedis(() =>
      REQUEUE.run(
        this.connections.commands,
        [entries, deadLetters, knownIds, index],
        [handle, entry.id, KNOWN_IDS, entry.userId, ...stored],
      ),
    );
    if (moved === 0) throw new DeadLetterNotFoundError();
    return entry;
  }

  async drop(handle: string): Promise<void> {
    const { deadLetters, index } = this.keys;
    const streamId = streamIdOf(handle);
    const removed = await reachingRedis(() =>
      DROP_DEAD_LETTER.run(this.connections.commands, [deadLetters, index], [streamId]),
    );
    if (removed === 0) throw new DeadLetterNotFoundError();
  }

  async count(): Promise<number> {
    return reachingRedis(() => this.connections.commands.xlen(this.keys.deadLetters));
  }

  private async read(handle: string): Promise<RawEntry> {
    const streamId = streamIdOf(handle);
    const reply = await reachingRedis(() =>
      this.connections.commands.xrange(this.keys.deadLetters, streamId, streamId, 'COUNT', 1),
    );
    const [found] = parseRange(reply);
    if (found === undefined) throw new DeadLetterNotFoundError();
    return found;
  }
}

/** @throws DeadLetterNotFoundError for a handle that this store never gave out */
function streamIdOf(handle: string): string {
  if (!STREAM_ID.test(handle)) throw new DeadLetterNotFoundError();
  return handle;
}

function toDeadLetter({ streamId, fields: stored }: RawEntry): DeadLetter {
  const fields = stored ?? {};
  const { entry = null } = decodeEntry(fields);
  const deadLetteredAtMs = Date.parse(fields.dead_lettered_at ?? '');
  return {
    handle: streamId,
    entry,
    fieldNames: Object.keys(fields).filter((name) => !LETTER_FIELDS.has(name)),
    error: fields.error ?? 'no reason was recorded',
    deliveries: Math.trunc(Number(fields.deliveries)) || 0,
    capturedAtMs: entry?.timestampMs ?? timeOf(fields.entry),
    deadLetteredAtMs: Number.isNaN(deadLetteredAtMs) ? timeOf(streamId) : deadLetteredAtMs,
  };
}

function timeOf(streamId: string): number;
function timeOf(streamId: string | undefined): number | null;
/** A stream id begins with the time at which the server made it. */
function timeOf(streamId: string | undefined): number | null {
  return streamId === undefined ? null : Number(streamId.split('-', 1)[0]);
}
