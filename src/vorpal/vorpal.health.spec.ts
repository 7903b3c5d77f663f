import { sendJson, StubVorpal } from '../../test/support/stub-vorpal.js';
import { startVorpalModule, type VorpalParts } from '../../test/support/vorpal-module.js';
import { VorpalHealth } from './index.js';

describe(VorpalHealth.name, () => {
  let stub: StubVorpal;
  let parts: VorpalParts;

  beforeEach(async () => {
    stub = await StubVorpal.start();
    parts = await startVorpalModule({ VORPAL_URL: stub.url, VORPAL_CONNECT_TIMEOUT_MS: '300', VORPAL_RETRIES: '2' });
  });

  afterEach(async () => {
    await parts.close();
    await stub.stop();
  });

  it('names the model', async () => {
    await expect(parts.health.check()).resolves.toMatchObject({
      vorpal: { status: 'up', kind: 'remote', model: 'stub-model', max_model_len: 2_048 },
    });
  });

  it('takes a server without a health route for alive', async () => {
    stub.on('/health', (_, response) => {
      sendJson(response, { detail: 'Not Found' }, 404);
    });
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
  });

  it('passes on what a loading server says, and does not wait for it', async () => {
    stub.on('/health', (_, response) => {
      sendJson(response, { status: 'loading', message: 'fetching the model, 41 %' }, 503, { 'retry-after': '1' });
    });
    const { vorpal } = await parts.health.check();
    expect(vorpal).toMatchObject({ status: 'down', kind: 'remote' });
    expect(vorpal.reason).toContain('fetching the model, 41 %');
    expect(stub.requests).toHaveLength(1);
  });

  it('is down when nobody answers in time', async () => {
    stub.on('/health', () => undefined);
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'down' } });
  });

  it('asks once for checks that come together', async () => {
    await Promise.all([parts.health.check(), parts.health.check()]);
    await parts.health.check();
    expect(stub.requestsFor('/health')).toHaveLength(1);
  });
});
