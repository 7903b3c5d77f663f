import { vorpalSettings } from './vorpal.settings.js';

describe('The settings of Vorpal', () => {
  it.each([
    ['fewer chats at once to the embedded Vorpal', {}, 32],
    ['as many to another server as vLLM answers', { VORPAL_URL: 'http://gpu:8000' }, 256],
    ['as many as they are told', { CHAT_CONCURRENCY: '7' }, 7],
  ])('give %s', (_, environment, chatConcurrency) => {
    expect(vorpalSettings(environment)).toMatchObject({ chatConcurrency });
  });

  it('have a key for the embeddings of the same server, and none of its own for another', () => {
    const environment = { VORPAL_API_KEY: 'secret' };
    expect(vorpalSettings(environment)).toMatchObject({ embeddingsApiKey: 'secret' });
    expect(vorpalSettings({ ...environment, EMBEDDINGS_URL: 'http://other' }).embeddingsApiKey).toBeUndefined();
  });
});
