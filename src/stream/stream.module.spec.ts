import { Logger } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigModule } from '../config/index.js';
import { readSettings } from '../settings.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { StorageModule } from '../infra/storage/index.js';
import { newId } from '../shared/index.js';
import { CaptureService, InputStream, type StreamEntry, StreamHealth, StreamModule } from './index.js';

const entryOf = (): StreamEntry => ({
  id: newId(),
  message: 'hello',
  timestampMs: Date.now(),
  userId: 'u',
  sessionId: 's',
  role: 'user',
  context: '',
});

describe(StreamModule.name, () => {
  let folder: string;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'stream-module-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  async function start(environment: NodeJS.ProcessEnv): Promise<TestingModule> {
    const sut = await Test.createTestingModule({
      imports: [ConfigModule.forRoot(readSettings(environment)), LifecycleModule, StorageModule, StreamModule],
    }).compile();
    return sut.init();
  }

  it('keeps the stream in BRAIN_DATA_DIR where REDIS_URL is not set', async () => {
    const sut = await start({ BRAIN_DATA_DIR: folder });

    await sut.get(InputStream).append(entryOf());

    expect(await sut.get(StreamHealth).check()).toEqual({
      stream: expect.objectContaining({ status: 'up', kind: 'sqlite', lag: 1, pending: 0, dead_letters: 0 }) as unknown,
    });
    await sut.close();
  });

  it('lands the captures under way before it closes', async () => {
    const first = await start({ BRAIN_DATA_DIR: folder });
    for (let i = 0; i < 500; i++) first.get(CaptureService).capture(entryOf());
    await first.close();

    const second = await start({ BRAIN_DATA_DIR: folder });

    expect((await second.get(InputStream).statistics()).lag).toBe(500);
    await second.close();
  });

  it('refuses to start, naming the setting, where the folder cannot be written', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');

    await expect(start({ BRAIN_DATA_DIR: join(file, 'data') })).rejects.toMatchObject({
      code: 'STORAGE_CONFIGURATION',
      message: expect.stringContaining('BRAIN_DATA_DIR') as unknown,
    });
  });

  it('starts without Redis, says that it is down, and closes', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();

    const sut = await start({ REDIS_URL: `redis://:s3cret@127.0.0.1:${port}` });

    const health: unknown = await sut.get(StreamHealth).check();
    expect(health).toEqual({
      stream: expect.objectContaining({
        status: 'down',
        message: expect.stringContaining('redis:') as unknown,
      }) as unknown,
    });
    expect(JSON.stringify(health)).not.toContain('s3cret');
    await expect(sut.get(InputStream).append(entryOf())).rejects.toMatchObject({ code: 'STREAM_UNAVAILABLE' });
    await sut.close();
  });
});
