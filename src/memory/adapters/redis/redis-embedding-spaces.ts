import { z } from 'zod';
import type { RedisConnections } from '../../../infra/redis/index.js';
import { sleep } from '../../../shared/index.js';
import type { EmbeddingSpace } from '../../memory.js';
import { MemoryStoreUnavailableError } from '../../memory.errors.js';
import { reachingSharedKeys } from './redis-failures.js';
import { BEGIN_REEMBEDDING, CLAIM_SPACE, FINISH_REEMBEDDING } from './scripts/redis-move-scripts.js';

// Without it every call would ask for the generation first, which takes a second round trip: a script on a user's keys
// cannot read it, because it is on another slot.
const SETTLED_MAX_AGE_MS = 100;
// By then no process goes by what it learned before a move began, with as much again for what it had on the way.
const EVERYBODY_KNOWS_MS = 2 * SETTLED_MAX_AGE_MS;

/** The number of no generation: no vector set has it. */
export const NO_GENERATION = 0;

/** An embedding space, with the number that is in the names of its vector sets and never given to another. */
export interface Generation extends EmbeddingSpace {
  readonly generation: number;
}

export interface StoredSpaces {
  readonly current: Generation | undefined;
  readonly next: Generation | undefined;
  /** The generations whose vector sets have to be dropped. */
  readonly abandoned: readonly number[];
}

/**
 * The embedding spaces of the store.
 *
 * {@link recent} may be 100 ms old while no move is under way. That does no harm: a move begins by waiting until every
 * process has seen it, and from then on until it is finished none goes by its memory.
 */
export class RedisEmbeddingSpaces {
  private known: { readonly spaces: StoredSpaces; readonly until: number } | undefined;
  private asking: { readonly reply: Promise<StoredSpaces>; readonly until: number } | undefined;

  constructor(
    private readonly connections: RedisConnections,
    private readonly key: string,
  ) {}

  async recent(): Promise<StoredSpaces> {
    const now = performance.now();
    if (this.known && now < this.known.until) return this.known.spaces;
    // All that find it too old at once share one question: a worker at full speed asked one for nearly every message.
    if (this.asking && now < this.asking.until) {
      const spaces = await this.asking.reply;
      return isSettled(spaces) ? spaces : this.read();
    }
    const asking = { reply: this.read(), until: now + SETTLED_MAX_AGE_MS };
    this.asking = asking;
    try {
      return await asking.reply;
    } finally {
      if (this.asking === asking) this.asking = undefined;
    }
  }

  async read(): Promise<StoredSpaces> {
    const askedAt = performance.now();
    const spaces = parseSpaces(await reachingSharedKeys(() => this.connections.commands.hgetall(this.key)));
    this.known = isSettled(spaces) ? { spaces, until: askedAt + SETTLED_MAX_AGE_MS } : undefined;
    return spaces;
  }

  async claim({ model, dimensions }: EmbeddingSpace): Promise<StoredSpaces> {
    await reachingSharedKeys(() => CLAIM_SPACE.run(this.connections.commands, [this.key], [model, dimensions]));
    return this.read();
  }

  /** Resolves when every process knows. */
  async begin({ model, dimensions }: EmbeddingSpace): Promise<StoredSpaces> {
    await reachingSharedKeys(() => BEGIN_REEMBEDDING.run(this.connections.commands, [this.key], [model, dimensions]));
    await sleep(EVERYBODY_KNOWS_MS);
    return this.read();
  }

  async finish(): Promise<StoredSpaces> {
    await reachingSharedKeys(() => FINISH_REEMBEDDING.run(this.connections.commands, [this.key], []));
    return this.read();
  }

  async forgetAbandoned(generations: readonly number[]): Promise<void> {
    const fields = generations.map((generation) => `${ABANDONED}${generation}`);
    await reachingSharedKeys(() => this.connections.commands.hdel(this.key, ...fields));
    await this.read();
  }
}

const isSettled = ({ current, next }: StoredSpaces): boolean => current !== undefined && next === undefined;

const ABANDONED = 'abandoned:';

const storedSpace = z.object({
  generation: z.coerce.number().int(),
  model: z.string(),
  dimensions: z.coerce.number().int(),
});

/** @throws MemoryStoreUnavailableError for an invalid description of the spaces, since no message caused it */
function parseSpaces(fields: Readonly<Record<string, string>>): StoredSpaces {
  const spaceAt = (prefix: string): Generation | undefined => {
    if (!(`${prefix}generation` in fields)) return undefined;
    const { data, error } = storedSpace.safeParse({
      generation: fields[`${prefix}generation`],
      model: fields[`${prefix}model`],
      dimensions: fields[`${prefix}dimensions`],
    });
    if (error) throw new MemoryStoreUnavailableError({ cause: new Error('memory:space is not readable') });
    return data;
  };
  const abandoned = Object.keys(fields)
    .filter((field) => field.startsWith(ABANDONED))
    .map((field) => Number(field.slice(ABANDONED.length)));
  return { current: spaceAt(''), next: spaceAt('next_'), abandoned };
}
