import { chatChunk } from '../../../test/support/stub-vorpal.js';
import { readUsage, StreamedAnswer } from './chat-answer.js';

const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

describe(StreamedAnswer.name, () => {
  it('is the pieces together, with the reason and the usage that came beside them', () => {
    const sut = new StreamedAnswer();
    const chunks = [
      chatChunk(''),
      chatChunk('He'),
      chatChunk('llo', 'length'),
      { ...chatChunk(undefined), choices: [], usage: USAGE },
    ];
    expect(chunks.map((chunk) => sut.add(chunk))).toEqual(['', 'He', 'llo', '']);
    expect(sut.whole).toEqual({ text: 'Hello', model: 'stub-model', finishReason: 'length', usage: USAGE });
  });

  it('has neither reason nor usage where the server tells none', () => {
    const sut = new StreamedAnswer();
    sut.add(chatChunk('one'));
    expect(sut.whole).toMatchObject({ text: 'one', finishReason: null, usage: null });
  });
});

describe(readUsage.name, () => {
  it('counts the generated tokens where only the total is told', () => {
    expect(readUsage({ usage: { prompt_tokens: 3, total_tokens: 5 } })).toEqual(USAGE);
  });
});
