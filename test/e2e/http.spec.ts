import { TestBrain } from '../support/brain.js';
import { exchange, RawConnection } from '../support/raw-http.js';
import { StubVorpal } from '../support/stub-vorpal.js';

const LIMIT_MS = 120_000;
const JSON_TYPE = { 'content-type': 'application/json' };
const NO_ID = '01a214f3-0000-7000-8000-000000000000';

const SEARCH_FIELDS =
  'user_id limit mode session_id role source created_after created_before metadata include_questions include_superseded as_of';
const LINE_FIELDS =
  'id user_id session_id role created_at metadata context model source pinned is_question count last_seen_at recall_count ' +
  'last_recalled_at valid_from superseded_by superseded_at supersession_reason supersession_score supersedes perplexity';

type RequestBody = string | Uint8Array<ArrayBuffer>;

interface ProblemBody {
  code?: string;
  detail?: string;
  errors?: { path: string; message: string }[];
}

/** The rules of docs/http.md, one by one. */
describe('the HTTP interface', () => {
  let stub: StubVorpal;
  let sut: TestBrain;

  beforeAll(async () => {
    stub = await StubVorpal.start();
    sut = await TestBrain.start({ VORPAL_URL: stub.url, EMBEDDINGS_URL: stub.url, ASYNC_MEMORY: 'false' });
    await sut.ready(LIMIT_MS);
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await stub.stop();
  });

  const send = async (method: string, path: string, body?: RequestBody, headers: Record<string, string> = {}) => {
    const response = await fetch(sut.url + path, { method, headers, body: body ?? null });
    const text = await response.text();
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json') === true;
    return {
      status: response.status,
      headers: response.headers,
      text,
      problem: isProblem && text !== '' ? parse(text) : undefined,
    };
  };
  const parse = (text: string) => JSON.parse(text) as ProblemBody;
  const chat = (body: RequestBody, headers: Record<string, string> = JSON_TYPE) => send('POST', '/chat', body, headers);
  const raw = (bytes: string | Uint8Array, options = {}) => exchange(sut.url, bytes, options);

  describe('paths and methods', () => {
    it.each([
      ['GET', '/nothing-here'],
      ['POST', '/nothing-here'],
      ['GET', '/chat/'],
      ['GET', '/Memories'],
      ['GET', '//memories'],
      ['POST', '/memories//requeue'],
      ['OPTIONS', '/nothing-here'],
    ])('%s %s: there is nothing', async (method, path) => {
      expect(await send(method, path)).toMatchObject({ status: 404, problem: { code: 'ROUTE_NOT_FOUND' } });
    });

    it('has nothing at a path whatever body is sent there', async () => {
      for (const [body, type] of [
        ['{"broken', 'application/json'],
        ['<a/>', 'application/xml'],
      ] as const) {
        expect(await send('POST', '/nothing', body, { 'content-type': type })).toMatchObject({ status: 404 });
      }
    });

    it.each([
      ['GET', '/chat', 'POST'],
      ['PUT', '/chat', 'POST'],
      ['OPTIONS', '/chat', 'POST'],
      ['HEAD', '/chat', 'POST'],
      ['PATCH', '/memories', 'DELETE, GET, HEAD, POST'],
      ['POST', `/memories/${NO_ID}`, 'DELETE, GET, HEAD, PATCH'],
      ['GET', `/memories/${NO_ID}/superseded_by`, 'DELETE'],
      ['GET', '/dead-letters/1-1/requeue', 'POST'],
      ['PROPFIND', '/metrics', 'GET, HEAD'],
    ])('%s %s: only %s', async (method, path, allow) => {
      const answer = await send(method, path);
      expect(answer).toMatchObject({ status: 405 });
      expect(answer.headers.get('allow')).toBe(allow);
      if (method !== 'HEAD') expect(answer.problem).toMatchObject({ code: 'REQUEST_METHOD_NOT_ALLOWED' });
    });

    it('knows TRACE for a method that nothing takes, and no method that HTTP does not know', async () => {
      const trace = await raw('TRACE /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
      expect(trace).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
      const unknown = await raw('BREW /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n');
      expect([unknown.status, parse(unknown.body).code]).toEqual([400, 'REQUEST_MALFORMED']);
    });

    it('answers HEAD as GET, without a body', async () => {
      const answer = await raw('HEAD /memories HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', {
        hasBody: false,
      });
      expect(answer).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('json') } });
    });

    it.each([
      ['/memories/%zz', 400, 'REQUEST_MALFORMED'],
      ['/memories/%ff', 400, 'REQUEST_MALFORMED'],
      [`/memories/${'x'.repeat(201)}`, 414, 'REQUEST_PATH_TOO_LONG'],
      [`/memories/${encodeURIComponent('メ'.repeat(200))}`, 404, 'MEMORY_NOT_FOUND'],
      ['/memories/a%00b', 404, 'MEMORY_NOT_FOUND'],
      ['/memories/a%2Fb', 404, 'MEMORY_NOT_FOUND'],
      ['/dead-letters/%00', 404, 'DEAD_LETTER_NOT_FOUND'],
    ])('GET %s: %i %s', async (path, status, code) => {
      expect(await send('GET', path)).toMatchObject({ status, problem: { code } });
    });

    it('refuses an address longer than the headers may be', async () => {
      const answer = await raw(`GET /memories?user_id=${'x'.repeat(20_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
      expect([answer.status, parse(answer.body).code]).toEqual([431, 'REQUEST_HEADERS_TOO_LARGE']);
    });
  });

  describe('queries', () => {
    it.each([
      ['limit=1&limit=2', 'limit'],
      ['limit=', 'limit'],
      ['limit=0', 'limit'],
      ['limit=-1', 'limit'],
      ['limit=1e1', 'limit'],
      ['limit=0x10', 'limit'],
      ['limit=1.5', 'limit'],
      ['limit=99999999999999999999', 'limit'],
      ['user_id=a&user_id=b', 'user_id'],
      ['user_id=', 'user_id'],
      ['user_id[]=a', ''],
      ['colour=red', ''],
    ])('GET /memories?%s is refused', async (query, path) => {
      const answer = await send('GET', `/memories?${query}`);
      expect(answer).toMatchObject({ status: 400, problem: { code: 'REQUEST_INVALID', errors: [{ path }] } });
    });

    it.each(['user_id=%zz', 'user_id=%ff', 'user_id=%', 'user_id=%ED%A0%80'])(
      'GET /memories?%s is no query',
      async (query) => {
        const answer = await raw(`GET /memories?${query} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
        expect([answer.status, parse(answer.body).code]).toEqual([400, 'REQUEST_MALFORMED']);
      },
    );

    it('takes a user id of any characters, percent-encoded', async () => {
      const user_id = 'Zoë \u0000\u202e/?&=+😀';
      await send('POST', '/memories', JSON.stringify({ text: 'Mine.', user_id }), JSON_TYPE);
      const { body } = await sut.get(`/memories?user_id=${encodeURIComponent(user_id)}`);
      expect(body).toMatchObject({ memories: [{ text: 'Mine.', user_id }] });
    });
  });

  describe('requests without a body', () => {
    const remember = async (user_id: string) =>
      (await sut.post<{ id: string }>('/memories', { text: `Of ${user_id}.`, user_id })).body.id;

    it.each(['application/json', 'application/json; charset=utf-8', 'text/plain', 'application/x-www-form-urlencoded'])(
      'DELETE says %s and deletes',
      async (type) => {
        const id = await remember('deleter');
        const headers = { 'content-type': type };
        expect(await send('DELETE', `/memories/${id}?user_id=deleter`, undefined, headers)).toMatchObject({
          status: 204,
        });
        await remember('deleter');
        expect(await send('DELETE', '/memories?user_id=deleter', undefined, headers)).toMatchObject({ status: 200 });
        expect((await sut.get('/memories?user_id=deleter')).body.memories).toEqual([]);
      },
    );

    it('DELETE may carry a JSON body, which says nothing, and no other', async () => {
      const id = await remember('carrier');
      const path = `/memories/${id}?user_id=carrier`;
      expect(await send('DELETE', path, 'x', { 'content-type': 'text/plain' })).toMatchObject({ status: 415 });
      expect(await send('DELETE', path, '{}', JSON_TYPE)).toMatchObject({ status: 204 });
    });

    it('POST without a body may say JSON where none is needed', async () => {
      expect(await send('POST', '/dead-letters/1-1/requeue', undefined, JSON_TYPE)).toMatchObject({
        status: 404,
        problem: { code: 'DEAD_LETTER_NOT_FOUND' },
      });
    });

    it.each([{}, JSON_TYPE])('POST /chat needs one, content type %j', async (headers) => {
      expect(await send('POST', '/chat', undefined, headers)).toMatchObject({
        status: 400,
        problem: { code: 'REQUEST_MALFORMED', detail: 'The body is empty; send a JSON object.' },
      });
    });

    it('GET takes none', async () => {
      const answer = await raw('GET /memories HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}');
      expect([answer.status, parse(answer.body).code]).toEqual([400, 'REQUEST_MALFORMED']);
      const none = await raw('GET /memories HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n');
      expect(none.status).toBe(200);
    });
  });

  describe('content types and encodings', () => {
    it.each([
      'text/plain',
      'text/plain;charset=UTF-8',
      'application/xml',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
      'application/x-ndjson',
      'application/vnd.api+json',
      'application/json; charset=utf-16',
      'application/json; charset="iso-8859-1"',
      'nonsense',
    ])('a body of %s is refused', async (type) => {
      expect(await chat('{"message":"hello"}', { 'content-type': type })).toMatchObject({
        status: 415,
        problem: { code: 'REQUEST_UNSUPPORTED_MEDIA_TYPE' },
      });
    });

    it('a body without a content type is refused', async () => {
      const answer = await raw('POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}');
      expect([answer.status, parse(answer.body).code]).toEqual([415, 'REQUEST_UNSUPPORTED_MEDIA_TYPE']);
    });

    it.each(['gzip', 'br', 'deflate', 'GZIP'])('a body in %s is refused', async (encoding) => {
      expect(await chat('{"message":"hello"}', { ...JSON_TYPE, 'content-encoding': encoding })).toMatchObject({
        status: 415,
        problem: { code: 'REQUEST_UNSUPPORTED_MEDIA_TYPE' },
      });
    });

    it.each([
      'application/json',
      'Application/JSON; Charset=UTF-8',
      'application/json; charset="utf-8"',
      'application/json;charset=us-ascii',
    ])('a body of %s is taken', async (type) => {
      expect(await chat('{"message":"hello"}', { 'content-type': type })).toMatchObject({ status: 200 });
    });

    it('the answer has one form, whatever the request accepts', async () => {
      const answer = await chat('{"message":"hello"}', {
        ...JSON_TYPE,
        accept: 'text/html',
        'accept-charset': 'utf-16',
      });
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    });
  });

  describe('JSON', () => {
    it.each<[string, string | Uint8Array<ArrayBuffer>]>([
      ['cut', '{"message":'],
      ['followed by more', '{"message":"hello"} {}'],
      ['with a trailing comma', '{"message":"hello",}'],
      ['with a comment', '{"message":"hello" /* really */}'],
      ['with single quotes', "{'message':'hello'}"],
      ['with a leading zero', '{"message":01}'],
      ['with NaN', '{"message":NaN}'],
      ['with a raw line break in a string', '{"message":"a\nb"}'],
      ['of blanks', '  '],
      ['not in UTF-8', new Uint8Array([...Buffer.from('{"message":"'), 0xff, 0xfe, ...Buffer.from('"}')])],
      ['in UTF-16', new Uint8Array(Buffer.from('{"message":"hello"}', 'utf16le'))],
      ['with an overlong encoding', new Uint8Array([...Buffer.from('{"message":"'), 0xc0, 0x80, ...Buffer.from('"}')])],
      [
        'with a surrogate as bytes',
        new Uint8Array([...Buffer.from('{"message":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]),
      ],
      ['with a prototype', '{"message":"hello","__proto__":{"x":1}}'],
      ['with an escaped prototype', '{"message":"hello","\\u005f_proto__":{"x":1}}'],
      ['with a constructor', '{"message":"hello","constructor":{"prototype":{"x":1}}}'],
      ['nested 100,000 deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ])('%s is refused', async (_, body) => {
      expect(await chat(body)).toMatchObject({ status: 400, problem: { code: 'REQUEST_MALFORMED' } });
    });

    it.each(['null', '[]', '"hello"', '1', 'true'])('%s is no object', async (body) => {
      expect(await chat(body)).toMatchObject({ status: 400, problem: { code: 'REQUEST_INVALID' } });
    });

    it.each<[string, string | Uint8Array<ArrayBuffer>]>([
      ['after a byte order mark', new Uint8Array([0xef, 0xbb, 0xbf, ...Buffer.from('{"message":"hello"}')])],
      ['with a name twice, of which the last counts', '{"message":1,"message":"hello"}'],
      ['with blanks around it', '\r\n\t {"message":"hello"}\n'],
      ['with a null character in a text', '{"message":"a\\u0000b"}'],
    ])('%s is taken', async (_, body) => {
      expect(await chat(body)).toMatchObject({ status: 200 });
    });

    it.each([8_000, 100])('metadata %i deep is refused', async (depth) => {
      const body = `{"text":"hello","metadata":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;
      const answer = await send('POST', '/memories', body, JSON_TYPE);
      expect(answer).toMatchObject({ status: 400, problem: { code: 'REQUEST_MALFORMED' } });
    });

    it('metadata 8,000 deep is refused in an import', async () => {
      const line = `{"text":"hello","metadata":${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}}`;
      const answer = await send('POST', '/memories/import?user_id=deep', line, {
        'content-type': 'application/x-ndjson',
      });
      expect(answer.text).toContain('must not be nested deeper than 64 levels');
    });

    it.each(['1e999', '-1e999', '9007199254740993', '1.5', '"5"', 'true', '[]', '-0'])(
      'is no limit: %s',
      async (limit) => {
        const answer = await send('POST', '/memories/search', `{"query":"hello","limit":${limit}}`, JSON_TYPE);
        expect(answer).toMatchObject({
          status: 400,
          problem: { code: 'REQUEST_INVALID', detail: expect.stringContaining('limit: ') },
        });
      },
    );

    it('numbers of metadata are doubles, and one that is too large for them is refused', async () => {
      const body = (number: string) => `{"text":"Numbers.","user_id":"counter","metadata":{"number":${number}}}`;
      const kept = await sut.post('/memories', body('9007199254740993'));
      expect(kept.body.metadata).toEqual({ number: 9_007_199_254_740_992 });
      expect(await send('POST', '/memories', body('1e999'), JSON_TYPE)).toMatchObject({
        status: 400,
        problem: { code: 'REQUEST_INVALID', errors: [{ path: 'metadata' }] },
      });
    });

    it('null is the same as not given, for all that need not be given', async () => {
      const given = (names: string) => Object.fromEntries(names.split(' ').map((name) => [name, null]));
      const requests = [
        ['/chat', { message: 'Hello.', ...given('user_id session_id memory stream') }],
        ['/memories', { text: 'One.', ...given('user_id session_id role created_at metadata context') }],
        ['/memories/batch', { ...given('user_id'), memories: [{ text: 'Two.', ...given('role metadata context') }] }],
        ['/memories/search', { query: 'One?', ...given(SEARCH_FIELDS) }],
        ['/perplexity', { text: 'One.', ...given('texts context') }],
        ['/perplexity', { texts: ['One.'], ...given('text context') }],
      ] as const;
      for (const [path, body] of requests) {
        const { status } = await sut.post(path, body);
        expect([path, [200, 201].includes(status)]).toEqual([path, true]);
      }
      const line = { text: 'Three.', ...given(LINE_FIELDS) };
      const imported = await send('POST', '/memories/import?user_id=nobody', JSON.stringify(line), {
        'content-type': 'application/x-ndjson',
      });
      expect(parse(imported.text)).toMatchObject({ imported: 1 });
    });
  });

  describe('POST /perplexity', () => {
    it('gives the numbers alone to who wants no tokens', async () => {
      const full = await sut.post('/perplexity', { text: 'Some words.' });
      const { tokens, ...numbers } = full.body;
      expect(tokens).toHaveLength(11);
      expect((await sut.post('/perplexity', { text: 'Some words.', tokens: false })).body).toEqual(numbers);
      const { body } = await sut.post<{ results: object[] }>('/perplexity', { texts: ['One.', 'Two.'], tokens: false });
      expect(body.results.map((result) => Object.keys(result))).toEqual([
        ['perplexity', 'avg_logprob', 'token_count'],
        ['perplexity', 'avg_logprob', 'token_count'],
      ]);
    });

    it('takes so much text at once, and says how to send more', async () => {
      const texts = (count: number) => Array.from({ length: count }, () => 'x'.repeat(15_000));
      const before = stub.requests.length;
      expect(await send('POST', '/perplexity', JSON.stringify({ texts: texts(9) }), JSON_TYPE)).toMatchObject({
        status: 413,
        problem: { code: 'REQUEST_TEXTS_TOO_LONG', detail: expect.stringContaining('several requests') },
      });
      expect(stub.requests.slice(before).filter(({ path }) => path === '/v1/completions')).toEqual([]);
      const { status } = await sut.post('/perplexity', { texts: texts(8), tokens: false });
      expect(status).toBe(200);
    });
  });

  describe('HTTP itself', () => {
    const problemOf = async (bytes: string) => {
      const { status, headers, body } = await raw(bytes);
      expect(headers).toMatchObject({ 'content-type': 'application/problem+json; charset=utf-8', connection: 'close' });
      return [status, parse(body).code];
    };

    it.each([
      ['no HTTP', 'hello\r\n\r\n', 400, 'REQUEST_MALFORMED'],
      ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'REQUEST_MALFORMED'],
      ['a header without a colon', 'GET /metrics HTTP/1.1\r\nhost\r\n\r\n', 400, 'REQUEST_MALFORMED'],
      [
        'two lengths',
        'POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
        400,
        'REQUEST_MALFORMED',
      ],
      [
        'a length beside chunks',
        'POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
        400,
        'REQUEST_MALFORMED',
      ],
      [
        'invalid chunks',
        'POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
        400,
        'REQUEST_MALFORMED',
      ],
      [
        'headers beyond 16 KiB',
        `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
        431,
        'REQUEST_HEADERS_TOO_LARGE',
      ],
      [
        'an expectation that nobody knows',
        'POST /chat HTTP/1.1\r\nhost: localhost\r\nexpect: wonders\r\ncontent-length: 2\r\n\r\n',
        417,
        'REQUEST_EXPECTATION_UNKNOWN',
      ],
    ])('%s is refused', async (_, bytes, status, code) => {
      expect(await problemOf(bytes)).toEqual([status, code]);
    });

    it('a client that waits for leave to send its body gets it', async () => {
      const connection = await RawConnection.to(sut.url);
      const body = '{"message":"hello"}';
      connection.write(
        `POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: ${body.length}\r\n\r\n`,
      );
      expect(await connection.answer()).toMatchObject({ status: 100 });
      connection.write(body);
      expect(await connection.answer()).toMatchObject({ status: 200 });
      connection.close();
    });

    it('a body larger than announced or allowed is refused', async () => {
      const chunk = `${(1_100_000).toString(16)}\r\n${' '.repeat(1_100_000)}\r\n0\r\n\r\n`;
      const answer = await raw(
        `POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${chunk}`,
      );
      expect([answer.status, parse(answer.body).code]).toEqual([413, 'REQUEST_BODY_TOO_LARGE']);
    });

    it('requests that do not wait for answers are answered in their order', async () => {
      const connection = await RawConnection.to(sut.url);
      connection.write(
        'GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\nGET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\nGET /memories HTTP/1.1\r\nhost: localhost\r\n\r\n',
      );
      const statuses = [await connection.answer(), await connection.answer(), await connection.answer()].map(
        ({ status }) => status,
      );
      expect(statuses).toEqual([200, 404, 200]);
      connection.close();
    });
  });
});
