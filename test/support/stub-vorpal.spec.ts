import { sendJson, type StubHandler, StubVorpal } from './stub-vorpal.js';
import { useStubVorpal } from './use-stub-vorpal.js';

const HEALTH = '/health';
const teapot: StubHandler = (_, response) => {
  sendJson(response, {}, 418);
};

describe(StubVorpal.name, () => {
  const stub = useStubVorpal();
  const ask = async (path: string): Promise<number> => (await fetch(stub().url + path)).status;

  it('fails the test that leaves an answer unused, once', async () => {
    stub().next(HEALTH, teapot).next(HEALTH, teapot);
    expect(await ask(HEALTH)).toBe(418);

    expect(() => {
      stub().assertUsed();
    }).toThrow('1 prepared for /health never asked for.');
    stub().assertUsed();
  });

  it('fails the test that asks for what it does not know', async () => {
    expect(await ask('/v2/rerank')).toBe(404);

    expect(() => {
      stub().assertUsed();
    }).toThrow('/v2/rerank');
  });

  it('fails the test whose handler fails', async () => {
    stub().on(HEALTH, () => {
      throw new Error('a fault of the test');
    });
    await expect(ask(HEALTH)).rejects.toThrow();

    expect(() => {
      stub().assertUsed();
    }).toThrow('a fault of the test');
  });

  it('is as new after a reset, and owes nobody an answer', async () => {
    stub().model = 'another';
    const asked = Promise.withResolvers<undefined>();
    stub()
      .on(HEALTH, () => {
        asked.resolve(undefined);
      })
      .next('/tokenize', teapot);
    const waiting = ask(HEALTH);
    await asked.promise;

    stub().reset();

    await expect(waiting).rejects.toThrow();
    expect(stub().requests).toEqual([]);
    expect(await ask(HEALTH)).toBe(200);
    expect(await (await fetch(`${stub().url}/v1/models`)).json()).toMatchObject({ data: [{ id: 'stub-model' }] });
  });
});
