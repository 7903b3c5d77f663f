/** Something that changed, and a question for what holds now. */
export interface ChangedFact {
  readonly before: string;
  readonly after: string;
  readonly ask: string;
}

export const CHANGED_FACTS: readonly ChangedFact[] = [
  {
    before: 'My flight to Lisbon leaves on 3 May at 10:15 from gate B12.',
    after: 'My flight to Lisbon leaves on 3 May at 16:45 from gate B12.',
    ask: 'When does my flight to Lisbon leave?',
  },
  {
    before: 'You can reach my sister at 0176 5550142.',
    after: 'You can reach my sister at 0176 5550199.',
    ask: "What is my sister's number?",
  },
  {
    before: 'The train to Brno goes at 08:12.',
    after: 'The train to Brno goes at 19:40.',
    ask: 'When does the train to Brno go?',
  },
  { before: 'I live in Berlin.', after: 'I moved last week, I live in Munich now.', ask: 'Where do I live?' },
  { before: 'I work for Hansen Logistics.', after: 'I work for Petersen Shipping.', ask: 'Who do I work for?' },
  {
    before: 'The password of the guest network is tulip-42.',
    after: 'The password of the guest network is orchid-77.',
    ask: 'What is the password of the guest network?',
  },
  {
    before: 'Grandma is allergic to peanuts.',
    after: 'Grandma is not allergic to peanuts.',
    ask: 'Is Grandma allergic to peanuts?',
  },
  {
    before: 'Mein Zahnarzttermin ist am Dienstag um 9 Uhr.',
    after: 'Mein Zahnarzttermin ist am Donnerstag um 11 Uhr.',
    ask: 'Wann ist mein Zahnarzttermin?',
  },
  {
    before: '瑜伽课在星期二晚上七点开始。',
    after: '瑜伽课在星期四早上八点开始。',
    ask: '瑜伽课什么时候开始？',
  },
  {
    before: 'Mi hermano conduce un coche rojo.',
    after: 'Mi hermano conduce un coche azul.',
    ask: '¿De qué color es el coche de mi hermano?',
  },
];

export const OWN_QUESTIONS = {
  fact: 'The spare key is with Mrs. Lindqvist on the second floor.',
  questions: [
    'Where is the spare key?',
    'Do you know where the spare key is?',
    'Who has the spare key?',
    'Where did I leave the spare key?',
    'With whom is the spare key?',
    'Can you tell me who has my spare key?',
    'Where was the spare key again?',
    'Remind me where the spare key is.',
    'Which neighbour has the spare key?',
  ],
} as const;

/** Two sentences about different things, and words of the first. */
export const UNRELATED: readonly { readonly script: string; readonly texts: [string, string]; readonly ask: string }[] =
  [
    { script: 'Ethiopic', texts: ['ልጄ ትምህርት ቤት ሄደች።', 'ዛሬ ዝናብ ይዘንባል።'], ask: 'ትምህርት ቤት' },
    { script: 'Thai', texts: ['แมวของฉันชื่อมะลิ', 'พรุ่งนี้ฉันจะไปตลาด'], ask: 'แมวชื่ออะไร' },
    { script: 'Khmer', texts: ['ឆ្កែរបស់ខ្ញុំពណ៌ខ្មៅ', 'ថ្ងៃនេះភ្លៀងខ្លាំង'], ask: 'ឆ្កែ' },
    { script: 'Lao', texts: ['ແມວຂອງຂ້ອຍສີຂາວ', 'ມື້ນີ້ຝົນຕົກ'], ask: 'ແມວ' },
    { script: 'Myanmar', texts: ['ကျွန်တော့်ခွေးက အနက်ရောင်', 'ဒီနေ့ မိုးရွာတယ်'], ask: 'ခွေး' },
    { script: 'Georgian', texts: ['ჩემი ძაღლი შავია', 'დღეს წვიმს'], ask: 'ძაღლი' },
    { script: 'Armenian', texts: ['Իմ շունը սև է', 'Այսօր անձրև է'], ask: 'շունը' },
    { script: 'Tamil', texts: ['என் நாய் கருப்பு', 'இன்று மழை பெய்கிறது'], ask: 'நாய்' },
    { script: 'Bengali', texts: ['আমার কুকুর কালো', 'আজ বৃষ্টি হচ্ছে'], ask: 'কুকুর' },
    { script: 'Devanagari', texts: ['मेरा कुत्ता काला है', 'आज बारिश हो रही है'], ask: 'कुत्ता' },
    { script: 'Sinhala', texts: ['මගේ බල්ලා කළුයි', 'අද වැස්ස'], ask: 'බල්ලා' },
    { script: 'Hebrew', texts: ['הכלב שלי שחור', 'היום יורד גשם'], ask: 'הכלב' },
    { script: 'Arabic', texts: ['كلبي لونه أسود', 'اليوم تمطر السماء'], ask: 'كلبي' },
    { script: 'Greek', texts: ['Ο σκύλος μου είναι μαύρος', 'Σήμερα βρέχει'], ask: 'σκύλος' },
    { script: 'Cyrillic', texts: ['Моя собака чёрная', 'Сегодня идёт дождь'], ask: 'собака' },
    { script: 'Hangul', texts: ['우리 강아지는 검은색이다', '오늘은 비가 온다'], ask: '강아지는' },
    { script: 'Japanese', texts: ['うちの犬は黒いです', '今日は雨が降ります'], ask: '犬' },
    { script: 'Chinese', texts: ['我的狗是黑色的', '今天下雨了'], ask: '狗' },
  ];
