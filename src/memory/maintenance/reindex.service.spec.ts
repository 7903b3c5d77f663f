import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../infra/sqlite/index.js';
import { SqliteMemoryStore } from '../adapters/sqlite/sqlite-memory-store.js';
import { indexMemory, indexWords } from '../remember/indexed-memory.js';
import { newMemory } from '../remember/new-memory.js';
import { ReindexNotice } from './reindex-notice.js';
import { type ReindexProgress, ReindexService } from './reindex.service.js';

const MEMORIES = 300;

describe(ReindexService.name, () => {
  let folder: string;
  let path: string;
  let database: SqliteDatabase;
  let store: SqliteMemoryStore;
  let sut: ReindexService;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reindex-'));
    path = join(folder, 'brain.sqlite');
    database = await SqliteDatabase.open(path);
    store = new SqliteMemoryStore(database, { maxMemories: 1_000, maxBytes: 65_536_000, maxDecisions: 10 });
    sut = new ReindexService(store.reindexing);
    await store.claimSpace({ model: 'small', dimensions: 2 });
    const memories = Array.from({ length: MEMORIES }, (_, index) =>
      indexMemory(newMemory('ada', { text: `Fact number ${index}.` }), Float32Array.of(1, 0)),
    );
    await store.put('ada', memories);
  });

  afterEach(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  /** As an earlier version would have left them. */
  const forgetWords = (): void => {
    const outside = new DatabaseSync(path);
    outside.exec(`UPDATE memories SET terms_version = 0, digest = NULL`);
    outside.close();
  };
  const { digest } = indexWords(newMemory('ada', { text: 'Fact number 299.' }));

  it('leaves memories alone that are indexed as today', async () => {
    const onProgress = jest.fn();
    expect(await sut.run({ signal: new AbortController().signal, onProgress })).toBe(0);
    expect(onProgress).not.toHaveBeenCalled();
  });

  it('indexes what an earlier version left, and goes on where it was broken off', async () => {
    forgetWords();
    expect(await store.findText('ada', digest)).toBeUndefined();
    const seen: [ReindexProgress, number][] = [];
    const stop = new AbortController();
    const broken = sut.run({
      signal: stop.signal,
      onProgress: (progress, steps) => {
        seen.push([progress, steps]);
        stop.abort();
      },
    });
    await expect(broken).rejects.toThrow(/abort/i);

    const left = await sut.run({
      signal: new AbortController().signal,
      onProgress: (progress, steps) => {
        seen.push([progress, steps]);
      },
    });

    expect(seen).toEqual([
      [{ done: 256, total: MEMORIES }, 256],
      [{ done: MEMORIES, total: MEMORIES }, 44],
    ]);
    expect(left).toBe(44);
    expect(await store.findText('ada', digest)).toEqual(expect.any(String));
  });

  it('is asked for in the log once, and by health until it is done', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    try {
      forgetWords();
      let now = 0;
      const notice = new ReindexNotice(store.reindexing, () => now);
      await notice.look();
      expect(notice.progress).toEqual({ done: 0, total: MEMORIES });
      await sut.run({ signal: new AbortController().signal, onProgress: () => undefined });
      now += 60_000;
      await notice.look();
      expect(notice.progress).toEqual({ done: MEMORIES, total: MEMORIES });
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/300 of 300 memories\. .*npm run memories:reindex/)]]);
    } finally {
      warn.mockRestore();
    }
  });
});
