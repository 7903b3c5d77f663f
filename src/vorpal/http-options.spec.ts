import axios from 'axios';
import { once } from 'node:events';
import { readSettings } from '../config/index.js';
import { StubVorpal } from '../../test/support/stub-vorpal.js';
import { vorpalHttpOptions } from './http-options.js';

const settings = (environment: NodeJS.ProcessEnv = {}) => readSettings(environment).vorpal;

describe(vorpalHttpOptions.name, () => {
  let stub: StubVorpal;

  beforeEach(async () => {
    stub = await StubVorpal.start();
  });

  afterEach(() => stub.stop());

  it('closes idle connections before vLLM would', async () => {
    const sut = axios.create(vorpalHttpOptions(settings(), 50));
    await sut.get(`${stub.url}/health`);
    const [socket] = stub.sockets;
    if (socket && !socket.closed) await once(socket, 'close');
    expect(stub.sockets.size).toBe(0);
  });

  it('does not cut an answer that takes longer than connections may be idle', async () => {
    const sut = axios.create(vorpalHttpOptions(settings(), 50));
    stub.next('/health', (_, response) => {
      setTimeout(() => response.end('late'), 250);
    });
    await expect(sut.get(`${stub.url}/health`)).resolves.toMatchObject({ data: 'late' });
  });

  it('keeps connections for less than the five seconds of vLLM', () => {
    const { httpAgent, httpsAgent } = vorpalHttpOptions(settings()) as Record<string, unknown>;
    for (const agent of [httpAgent, httpsAgent]) {
      expect(agent).toMatchObject({ options: { keepAlive: true, timeout: 4_000, maxSockets: 256 } });
    }
  });

  it('gives up a connection that nobody answers', async () => {
    const sut = axios.create(vorpalHttpOptions(settings({ VORPAL_CONNECT_TIMEOUT_MS: '100' })));
    // A name that is never resolved holds the socket in the state that dropped packets do.
    const lookup = (): void => undefined;
    await expect(sut.get('http://host.invalid/', { lookup })).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  });

  it('follows no redirect and uses no proxy', async () => {
    const sut = axios.create(vorpalHttpOptions(settings()));
    stub.next('/health', (_, response) => {
      response.writeHead(302, { location: `${stub.url}/elsewhere` }).end();
    });
    await expect(sut.get(`${stub.url}/health`)).resolves.toMatchObject({ status: 302 });
    expect(stub.requests).toHaveLength(1);
    expect(sut.defaults.proxy).toBe(false);
  });
});
