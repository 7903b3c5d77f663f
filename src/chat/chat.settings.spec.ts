import { chatSettings } from './chat.settings.js';

describe('The settings of chats', () => {
  it.each([
    ['a low one with the embedded Vorpal', {}, 0.2],
    ['that of another server', { VORPAL_URL: 'http://gpu:8000' }, undefined],
    ['the one they are told', { VORPAL_URL: 'http://gpu:8000', CHAT_TEMPERATURE: '1.5' }, 1.5],
  ])('have a temperature: %s', (_, environment, temperature) => {
    expect(chatSettings(environment).temperature).toBe(temperature);
  });
});
