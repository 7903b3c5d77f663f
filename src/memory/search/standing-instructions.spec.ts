import { isStandingInstruction } from './standing-instructions.js';

describe(isStandingInstruction.name, () => {
  it.each([
    'Always give temperatures in Celsius.',
    'Please never use emoji when you answer.',
    'Thanks! Also, always name your sources.',
    'From now on, answer in German.',
    'Going forward please keep it under five lines.',
    'Mention the allergens when I ask about recipes.',
    'Whenever you write code, add types.',
  ])('takes "%s" for one', (text) => {
    expect(isStandingInstruction(text)).toBe(true);
  });

  it.each([
    'I always drink tea in the morning.',
    'Never mind, I found it.',
    'Always a pleasure!',
    'Never been to Norway, but I would love to.',
    'Whenever I see her she is reading.',
    'My boss gets angry when I am late.',
    'I never know what to say when I ask him for help.',
    'How do I stay calm when I ask for a raise?',
    `Always ${'very '.repeat(100)}long.`,
  ])('takes "%s" for something that is told or asked', (text) => {
    expect(isStandingInstruction(text)).toBe(false);
  });
});
