import { asksForQuestions, isPureQuestion } from './questions.js';

describe(isPureQuestion.name, () => {
  it.each([
    'Where is the spare key?',
    'Do you know where the spare key is?',
    'Who has the spare key?',
    'Where did I leave the spare key?',
    'With whom is the spare key?',
    'Can you tell me who has my spare key?',
    'Where was the spare key again?',
    'Remind me where the spare key is.',
    'Which neighbour has the spare key?',
    "what's my sister's number",
    'when does my flight leave',
    'Tell me who told Mrs. Lindqvist about it.',
    'Could you please remind me how the recipe goes?',
    'I forgot where I parked.',
    "I don't remember what the doctor said",
    'Hi! Where do I work? And since when?',
    'So, isn’t it on Monday?',
    'Any idea when the shop opens?',
    'You remember who lent me the ladder?',
    '“How far is it to Brno?”',
    '?',
    'Will I see Anna in May?',
  ])('takes “%s” for one', (text) => {
    expect(isPureQuestion(text)).toBe(true);
  });

  it.each([
    'My dog ate chocolate, what should I do?',
    'What should I do, my dog ate chocolate?',
    'I moved to Oslo. Do you like it?',
    'Do you like Oslo? I moved there.',
    'Did you know that my sister is a pilot?',
    'Can you believe I got the job?',
    'What can I cook because Tom is allergic to nuts?',
    'What should I give to my brother who lives in Lyon?',
    'My name is Rui?',
    'When I was young I lived in Rome.',
    'Remind me to call Anna.',
    'Remind me when I get home that the oven is on.',
    'Will is my brother',
    'Where there is smoke there is fire.',
    'Is that so! I love it.',
    'Guess what I bought?',
    'How great that you came!',
    '',
    '42',
  ])('takes “%s” for what tells something', (text) => {
    expect(isPureQuestion(text)).toBe(false);
  });

  it.each([
    '¿Dónde está la llave de repuesto?',
    'Wo ist der Ersatzschlüssel?',
    'Où est la clé ?',
    '我的备用钥匙在哪里？',
    'スペアキーはどこですか？',
    'أين المفتاح الاحتياطي؟',
    'کلید کجاست؟',
    'Πού είναι το κλειδί;',
    'Πού είναι το κλειδί\u037e',
    'Որտե՞ղ է բանալին։',
    'ቁልፉ የት ነው፧',
    'चाबी कहाँ है?',
    'Где запасной ключ?',
    'กุญแจอยู่ที่ไหน?',
    'where⸮',
  ])('knows the mark of “%s”', (text) => {
    expect(isPureQuestion(text)).toBe(true);
  });

  it.each([
    'Mi perro comió chocolate, ¿qué hago?',
    'Mein Hund ist krank. Was nun?',
    '我的狗吃了巧克力，怎么办？',
    '私は引っ越しました。どう思いますか？',
    'Το κλειδί είναι εδώ; όχι.',
    'Я переехал в Осло.',
    'Բանալին այստեղ է։',
    `${'очень '.repeat(20)}длинный?`,
  ])('takes “%s” for what tells something', (text) => {
    expect(isPureQuestion(text)).toBe(false);
  });

  it('takes time in proportion to a text', () => {
    for (const piece of ['what is ', 'and, ', 'my a', ' — ', '?" ', 'α ', 'mr. ', "''", '՞']) {
      const startedAt = performance.now();
      isPureQuestion(piece.repeat(20_000));
      asksForQuestions(piece.repeat(20_000));
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    }
  });
});

describe(asksForQuestions.name, () => {
  it.each([
    'What did I ask you about the trip?',
    'Which questions have I asked?',
    'What were my last questions?',
    'Show me my questions',
    'Have I ever asked you about Rome?',
    'What was I asking yesterday?',
    'the question I had about taxes',
  ])('knows “%s”', (query) => {
    expect(asksForQuestions(query)).toBe(true);
  });

  it.each(['Where is the spare key?', 'Who asked me to dance?', 'What did Anna ask me?', 'I have a question'])(
    'knows that “%s” does not',
    (query) => {
      expect(asksForQuestions(query)).toBe(false);
    },
  );
});
