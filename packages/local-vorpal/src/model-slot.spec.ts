import { jest } from '@jest/globals';
import { ConsoleLogger } from '@nestjs/common';
import { until } from '../../../test/support/until.js';
import { NotReadyError } from './errors.js';
import { ModelSlot } from './model-slot.js';

const logger = new ConsoleLogger({ logLevels: [] });

class FakeModel {
  disposed = false;

  constructor(readonly breakNow: (error: Error) => void) {}

  async dispose(): Promise<void> {
    this.disposed = true;
  }
}

type Load = (signal: AbortSignal, onFailure: (error: Error) => void) => Promise<FakeModel>;

describe(ModelSlot.name, () => {
  let slot: ModelSlot<FakeModel>;
  const create = (load: Load): ModelSlot<FakeModel> => {
    slot = new ModelSlot({ name: 'the model', logger, activity: () => 'fetching it, 41 %', load });
    slot.start();
    return slot;
  };
  const ready = (): Promise<void> => until(() => slot.health.status === 'ready', 'the model to be ready');

  beforeEach(() => {
    // Full jitter with the least luck would make the test wait for seconds.
    jest.spyOn(Math, 'random').mockReturnValue(0.001);
  });

  afterEach(async () => {
    await slot.stop();
    jest.restoreAllMocks();
  });

  it('says what it is doing until the model is there', async () => {
    const loading = Promise.withResolvers<FakeModel>();
    create(() => loading.promise);
    expect(slot.health).toEqual({ status: 'loading', message: 'the model is loading: fetching it, 41 %' });
    expect(() => slot.require()).toThrow(NotReadyError);
    const model = new FakeModel(() => undefined);
    loading.resolve(model);
    await ready();
    expect(slot.require()).toBe(model);
  });

  it('says why it failed, and tries again', async () => {
    let attempts = 0;
    const failed = Promise.withResolvers<undefined>();
    create(async () => {
      if (++attempts === 1) throw new Error('no network; connect it');
      await failed.promise;
      return new FakeModel(() => undefined);
    });
    await until(() => slot.health.status === 'failed', 'the first attempt to fail');
    expect(slot.health.message).toBe('no network; connect it');
    expect(() => slot.require()).toThrow('no network; connect it');
    failed.resolve(undefined);
    await ready();
    expect(attempts).toBe(2);
  });

  it('replaces a model that breaks, and disposes of the broken one', async () => {
    const loaded: FakeModel[] = [];
    create(async (_signal, onFailure) => {
      const model = new FakeModel(onFailure);
      loaded.push(model);
      return model;
    });
    await ready();
    loaded[0]!.breakNow(new Error('native failure'));
    await until(() => slot.current === loaded[1] && loaded.length === 2, 'the model to be replaced');
    expect(loaded.map(({ disposed }) => disposed)).toEqual([true, false]);
  });

  it('disposes of the model when it stops', async () => {
    const model = new FakeModel(() => undefined);
    create(async () => model);
    await ready();
    await slot.stop();
    expect(model.disposed).toBe(true);
    expect(slot.current).toBeUndefined();
  });

  it('gives up loading when it stops', async () => {
    create(
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('aborted'));
          });
        }),
    );
    await slot.stop();
    expect(slot.current).toBeUndefined();
  });
});
