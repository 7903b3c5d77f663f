/**
 * Twenty ordinary messages to a running brain, then questions: what it recalled for each, and why.
 * Usage: npm run demo [-- http://127.0.0.1:8080]
 */
import { randomUUID } from 'node:crypto';

const REMEMBERED_WITHIN_MS = 180_000;
const POLL_MS = 500;
const SHOWN = 3;

const MESSAGES = [
  'Hi there!',
  'My name is Ines and I live in Porto.',
  'My flight to Lisbon leaves on 3 May at 10:15 from gate B12.',
  'My dog Bruno is allergic to chicken, so he eats salmon.',
  'ok cool',
  'I play the cello in an amateur orchestra, we rehearse on Thursdays.',
  'What is a good name for a cat?',
  'The spare key is with Mrs. Lindqvist on the second floor.',
  'It is raining again, what a week.',
  'You can reach my sister at 0176 5550142.',
  'lol',
  'I work for Hansen Logistics as a planner.',
  'Meine Mutter hat am 12. November Geburtstag.',
  'I am reading a book about the history of salt.',
  'Where is the spare key?',
  'My flight to Lisbon leaves on 3 May at 16:45 from gate B12.',
  'ลูกชายของฉันแพ้ถั่วลิสง',
  'Good night!',
  'I have started to work for Petersen Shipping, no longer for Hansen Logistics.',
  'ok cool',
];

const QUESTIONS = [
  'When does my flight to Lisbon leave?',
  'Where is the spare key?',
  'Who do I work for?',
  'What can I not give my dog to eat?',
  'Wann hat meine Mutter Geburtstag?',
  'ลูกชายแพ้อะไร',
  'What did I ask you about?',
];

const address = process.argv[2] ?? 'http://127.0.0.1:8080';
const userId = `demo-${randomUUID().slice(0, 8)}`;

async function request(path, body) {
  const response = await fetch(new URL(path, address), {
    ...(body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(REMEMBERED_WITHIN_MS),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return response.json();
}

/** Says it and hangs up at the first word of the answer: the message is captured, and nobody waits for small talk. */
async function say(message) {
  const hangUp = new AbortController();
  const response = await fetch(new URL('/chat', address), {
    method: 'POST',
    body: JSON.stringify({ user_id: userId, message, stream: true }),
    headers: { 'content-type': 'application/json' },
    signal: AbortSignal.any([hangUp.signal, AbortSignal.timeout(REMEMBERED_WITHIN_MS)]),
  });
  if (!response.ok) throw new Error(`/chat answered ${response.status}: ${await response.text()}`);
  await response.body.getReader().read();
  hangUp.abort();
}

async function decisionsOfAll() {
  const giveUpAt = Date.now() + REMEMBERED_WITHIN_MS;
  for (;;) {
    const { decisions } = await request(`/decisions?user_id=${userId}&limit=100`);
    if (decisions.length >= MESSAGES.length) return decisions.toReversed();
    if (Date.now() > giveUpAt)
      throw new Error(`Only ${decisions.length} messages were remembered; see the log of the brain.`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const number = (value) => (value === null ? '–' : value.toFixed(2));
const cut = (text, width) => (text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width));

async function main() {
  console.log(`Twenty messages of ${userId} to ${address}\n`);
  for (const [index, message] of MESSAGES.entries()) {
    process.stdout.write(`\r${index + 1} of ${MESSAGES.length} said`);
    await say(message);
  }
  process.stdout.write('\nThe worker looks at them …\n\n');
  const decisions = await decisionsOfAll();
  for (const [index, { perplexity, duplicate_of: duplicateOf, supersedes }] of decisions.entries()) {
    const what = duplicateOf ? 'counted once more' : supersedes ? 'kept, changes an earlier one' : 'kept';
    console.log(`  ${cut(MESSAGES[index], 64)} perplexity ${number(perplexity).padStart(9)}  ${what}`);
  }
  for (const question of QUESTIONS) {
    const { response, memories } = await request('/chat', { user_id: userId, message: question });
    console.log(`\n> ${question}\n< ${cut(response.replaceAll(/\s+/gu, ' '), 90).trimEnd()}`);
    console.log(`  recalled ${memories?.length ?? 0}:`);
    for (const { text, why, superseded_by: supersededBy } of memories?.slice(0, SHOWN) ?? []) {
      const words = why.matched_words.join(', ');
      console.log(
        `  ${cut(text, 64)} cosine ${number(why.cosine)}  bm25 ${number(why.bm25)}` +
          `${words && `  (${words})`}${supersededBy ? '  no longer current' : ''}`,
      );
    }
  }
  console.log(`\nAll of it: curl -s '${address}/memories?user_id=${userId}'`);
}

main().catch((error) => {
  const isAway = error instanceof TypeError && error.message === 'fetch failed';
  console.error(isAway ? `Nothing answers at ${address}. Start the brain with npm start.` : error.message);
  process.exitCode = 1;
});
