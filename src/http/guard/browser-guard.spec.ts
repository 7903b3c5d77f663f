import { Controller, Delete, Get, HttpCode, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { exchange, type RawAnswer } from '../../../test/support/raw-http.js';
import { BrowserGuard } from './browser-guard.js';
import { createFastifyAdapter } from '../index.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { httpSettings } from '../http.settings.js';

const APP = 'https://app.example.org';
const HOST = 'REQUEST_HOST_NOT_ALLOWED';
const ORIGIN = 'REQUEST_ORIGIN_NOT_ALLOWED';

describe(BrowserGuard.name, () => {
  let handled = 0;
  let app: NestFastifyApplication | undefined;
  let url: string;

  @Controller('things')
  class ThingsController {
    @Get()
    list(): string {
      handled += 1;
      return 'things';
    }

    @Post()
    @HttpCode(200)
    add(): string {
      handled += 1;
      return 'added';
    }

    @Delete(':id')
    remove(): string {
      handled += 1;
      return 'removed';
    }
  }

  @Module({ controllers: [ThingsController] })
  class ThingsModule {}

  /** The server as if it listened on `HOST`; it listens on a loopback address whatever that is. */
  async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    handled = 0;
    const module = await Test.createTestingModule({ imports: [ThingsModule] }).compile();
    const adapter = createFastifyAdapter(httpSettings(environment));
    app = module.createNestApplication<NestFastifyApplication>(adapter, { bodyParser: false, logger: false });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  }

  afterEach(() => app?.close());

  const ask = (headers: Record<string, string>, method = 'POST', path = '/things'): Promise<RawAnswer> => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    return exchange(url, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  };
  const codeOf = ({ status, body }: RawAnswer) => (status < 400 ? status : (JSON.parse(body) as { code: string }).code);

  it.each<[string, NodeJS.ProcessEnv, string, number | string]>([
    ['on a loopback address', {}, 'localhost:8080', 200],
    ['on a loopback address', {}, 'LOCALHOST', 200],
    ['on a loopback address', {}, 'localhost.:8080', 200],
    ['on a loopback address', {}, '127.0.0.1:8080', 200],
    ['on a loopback address', {}, '[::1]:8080', 200],
    ['on a loopback address', {}, 'attacker.example', HOST],
    ['on a loopback address', {}, 'localhost.attacker.example', HOST],
    ['on a loopback address', {}, '127.0.0.1.attacker.example', HOST],
    ['on a loopback address', {}, '[attacker.example]', HOST],
    ['on a loopback address', {}, '', HOST],
    ['on ::1', { HOST: '::1' }, 'attacker.example', HOST],
    ['on localhost', { HOST: 'localhost' }, 'attacker.example', HOST],
    ['on a loopback address with a proxy', { ALLOWED_HOSTS: 'Brain.example.org' }, 'brain.example.org', 200],
    ['on a loopback address with a proxy', { ALLOWED_HOSTS: 'brain.example.org' }, 'attacker.example', HOST],
    ['on all addresses', { HOST: '0.0.0.0' }, 'brain:8080', 200],
    ['on all addresses, of given names', { HOST: '0.0.0.0', ALLOWED_HOSTS: 'brain' }, 'brain:8080', 200],
    ['on all addresses, of given names', { HOST: '0.0.0.0', ALLOWED_HOSTS: 'brain' }, 'localhost', 200],
    ['on all addresses, of given names', { HOST: '0.0.0.0', ALLOWED_HOSTS: 'brain' }, '10.42.0.17:8080', 200],
    ['on all addresses, of given names', { HOST: '0.0.0.0', ALLOWED_HOSTS: 'brain' }, 'attacker.example', HOST],
  ])('%s (%j), Host "%s": %s', async (_, environment, host, expected) => {
    await start(environment);
    expect(codeOf(await ask({ host }))).toBe(expected);
    expect(handled).toBe(expected === 200 ? 1 : 0);
  });

  it('asks HTTP/1.1 for a Host', async () => {
    await start();
    expect(codeOf(await ask({}))).toBe('REQUEST_MALFORMED');
  });

  it.each<[string, Record<string, string>, number | string]>([
    ['a program', {}, 200],
    ['a page of this server', { origin: 'http://localhost:8080' }, 200],
    ['a page of this server', { origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }, 200],
    [
      'a page behind a proxy that renames',
      { origin: 'https://brain.example.org', 'sec-fetch-site': 'same-origin' },
      200,
    ],
    ['a person who types the address', { 'sec-fetch-site': 'none' }, 200],
    ['a foreign page', { origin: 'https://attacker.example' }, ORIGIN],
    ['a foreign page', { origin: 'https://attacker.example', 'sec-fetch-site': 'cross-site' }, ORIGIN],
    ['a foreign page that tells no origin', { 'sec-fetch-site': 'cross-site' }, ORIGIN],
    ['a foreign frame', { origin: 'null', 'sec-fetch-site': 'cross-site' }, ORIGIN],
    ['a foreign form', { origin: 'https://attacker.example', 'content-type': 'text/plain' }, ORIGIN],
    ['a page on another port', { origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' }, ORIGIN],
    ['a page on another port', { origin: 'http://localhost:3000' }, ORIGIN],
    ['a page with another name of it', { origin: 'http://127.0.0.1:8080' }, ORIGIN],
    ['nonsense', { origin: 'nonsense' }, ORIGIN],
  ])('a request of %s (%j): %s', async (_, headers, expected) => {
    await start();
    for (const [method, path] of [
      ['POST', '/things'],
      ['GET', '/things'],
      ['DELETE', '/things/1'],
    ]) {
      expect(codeOf(await ask({ host: 'localhost:8080', ...headers }, method, path))).toBe(expected);
    }
    expect(handled).toBe(expected === 200 ? 3 : 0);
  });

  it('takes the default port of an origin for the one of a Host that names none', async () => {
    await start();
    expect(codeOf(await ask({ host: 'localhost', origin: 'http://localhost' }))).toBe(200);
    expect(codeOf(await ask({ host: 'localhost:80', origin: 'http://localhost' }))).toBe(200);
    expect(codeOf(await ask({ host: 'localhost:8080', origin: 'http://localhost' }))).toBe(ORIGIN);
  });

  it('lets people follow links of foreign pages, and does not let those pages show it in a frame', async () => {
    await start();
    const navigation = { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect(codeOf(await ask({ ...navigation, 'sec-fetch-dest': 'document' }, 'GET'))).toBe(200);
    expect(codeOf(await ask({ ...navigation, 'sec-fetch-dest': 'iframe' }, 'GET'))).toBe(ORIGIN);
    expect(codeOf(await ask({ ...navigation, 'sec-fetch-dest': 'document' }, 'POST'))).toBe(ORIGIN);
  });

  it('shares nothing with pages of other sites unless it is told to', async () => {
    await start();
    const preflight = { host: 'localhost', origin: APP, 'access-control-request-method': 'POST' };
    const answer = await ask(preflight, 'OPTIONS');
    expect(codeOf(answer)).toBe(ORIGIN);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it('lets pages of the origins in CORS_ORIGINS send requests and read the answers', async () => {
    await start({ CORS_ORIGINS: APP });
    const page = { host: 'localhost', origin: APP, 'sec-fetch-site': 'cross-site' };
    const preflight = await ask({ ...page, 'access-control-request-method': 'POST' }, 'OPTIONS');
    expect(preflight).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': APP,
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': 'content-type, traceparent',
        vary: 'Origin',
      },
    });
    expect(await ask(page)).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': APP } });
    // A page has to be able to read why it failed.
    expect(await ask(page, 'PUT')).toMatchObject({ status: 405, headers: { 'access-control-allow-origin': APP } });
    expect(codeOf(await ask({ ...page, origin: `${APP}.attacker.example` }))).toBe(ORIGIN);
    expect(await ask({ host: 'localhost' })).toMatchObject({ status: 200, headers: { vary: 'Origin' } });
  });
});
