import { sendJson, StubVorpal } from '../../test/support/stub-vorpal.js';
import { ChatStandIn } from './chat-stand-in.js';

describe(ChatStandIn.name, () => {
  let vorpal: StubVorpal;
  let sut: ChatStandIn;

  beforeEach(async () => {
    vorpal = await StubVorpal.start();
    sut = await ChatStandIn.start({ vorpal: vorpal.url });
  });

  afterEach(async () => {
    await sut.stop();
    await vorpal.stop();
  });

  const post = (path: string, body: object): Promise<Response> =>
    fetch(sut.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('answers chats itself and keeps what was asked', async () => {
    const messages = [{ role: 'user', content: 'Hello' }];
    const response = await post('/v1/chat/completions', { model: 'm', messages });

    expect(await response.json()).toMatchObject({ choices: [{ message: { role: 'assistant' } }] });
    expect(sut.lastChat?.messages).toEqual(messages);
    expect(vorpal.requests).toEqual([]);
  });

  it('hands on everything else, errors as well', async () => {
    vorpal.on('/v1/embeddings', ({ body }, response) => {
      sendJson(response, { got: body }, 418);
    });
    const response = await post('/v1/embeddings', { input: ['a'] });

    expect(response.status).toBe(418);
    expect(await response.json()).toEqual({ got: { input: ['a'] } });
  });
});
