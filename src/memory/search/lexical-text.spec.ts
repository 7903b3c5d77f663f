import { contextTail, memoryTerms, queryTerms, TERMS_VERSION, wordsMatching, wordsOf } from './lexical-text.js';

const MAY_2023 = Date.UTC(2023, 4, 8, 23, 30);

/** Two unrelated sentences, a question with words of the first, and one with words of the second. */
const SENTENCES: Record<string, readonly [string, string, string, string]> = {
  Amharic: ['ልጄ ትምህርት ቤት ሄደች።', 'ዛሬ ዝናብ ይዘንባል።', 'ልጄ የት ናት?', 'ዝናብ መቼ ነው?'],
  Arabic: ['أختي تعمل في المستشفى الكبير.', 'اشتريت دراجة حمراء أمس.', 'أين المستشفى؟', 'ما لون الدراجة؟'],
  Armenian: ['Իմ եղբայրը ապրում է Գյումրիում։', 'Այսօր ձյուն կգա։', 'Որտե՞ղ է եղբայրը', 'Ե՞րբ կգա ձյունը ձյուն'],
  Bengali: ['আমার বোন ঢাকায় থাকে।', 'কাল বৃষ্টি হবে।', 'বোন কোথায়?', 'বৃষ্টি কবে?'],
  Burmese: ['ကျွန်မ၏ ညီမသည် ရန်ကုန်တွင် နေသည်။', 'ယနေ့ မိုးရွာမည်။', 'ရန်ကုန် ဘယ်မှာလဲ', 'မိုး ဘယ်တော့လဲ'],
  Chinese: ['我妹妹王小明住在成都。', '昨天买了一辆红色自行车。', '王小明在哪里？', '自行车是什么颜色？'],
  Georgian: ['ჩემი ძმა ბათუმში ცხოვრობს.', 'დღეს თოვლი მოდის.', 'სად არის ბათუმი?', 'როდის მოვა თოვლი?'],
  Greek: ['Η αδελφή μου μένει στη Θεσσαλονίκη.', 'Χθες αγόρασα ένα κόκκινο ποδήλατο.', 'ΘΕΣΣΑΛΟΝΙΚΗ', 'το ποδηλατο'],
  Gujarati: ['મારી બહેન સુરતમાં રહે છે.', 'આજે વરસાદ પડશે.', 'બહેન ક્યાં છે?', 'વરસાદ ક્યારે?'],
  Hebrew: ['אחותי גרה בחיפה.', 'קניתי אופניים אדומים.', 'איפה אחותי?', 'מה צבע האופניים? אופניים'],
  Hindi: ['मेरी बहन जयपुर में रहती है।', 'आज बारिश होगी।', 'बहन कहाँ है?', 'बारिश कब होगी?'],
  Japanese: ['妹は札幌に住んでいます。', '昨日、赤い自転車を買いました。', '札幌はどこですか？', '自転車の色は？'],
  Khmer: ['ប្អូនស្រីខ្ញុំរស់នៅបាត់ដំបង។', 'ថ្ងៃនេះភ្លៀងធ្លាក់ខ្លាំង។', 'បាត់ដំបង', 'ភ្លៀង'],
  Korean: ['여동생은 부산에서 일합니다.', '어제 빨간 자전거를 샀어요.', '부산', '자전거는 무슨 색?'],
  Lao: ['ນ້ອງສາວຢູ່ຫຼວງພະບາງ.', 'ມື້ນີ້ຝົນຕົກ.', 'ຫຼວງພະບາງ', 'ຝົນ'],
  Malayalam: ['എന്റെ സഹോദരി കൊച്ചിയിൽ താമസിക്കുന്നു.', 'ഇന്ന് മഴ പെയ്യും.', 'സഹോദരി എവിടെ?', 'മഴ എപ്പോൾ?'],
  Russian: ['Моя сестра живёт в Берлине.', 'Вчера я купил красный велосипед.', 'Где Берлин?', 'цвет велосипеда'],
  Tamil: ['என் சகோதரி மதுரையில் வசிக்கிறாள்.', 'இன்று மழை பெய்யும்.', 'மதுரை எங்கே?', 'மழை எப்போது?'],
  Telugu: ['నా సోదరి విశాఖపట్నంలో ఉంటుంది.', 'ఈరోజు వర్షం పడుతుంది.', 'సోదరి ఎక్కడ?', 'వర్షం ఎప్పుడు?'],
  Thai: ['น้องสาวอยู่ที่เชียงใหม่', 'วันนี้ฝนตกหนัก', 'เชียงใหม่', 'ฝน'],
  Tibetan: ['ང་ལྷ་ས་ལ་སྡོད།', 'དེ་རིང་ཆར་པ་བབས།', 'ལྷ་ས་', 'ཆར་པ་'],
};

const termsOf = (text: string): string[] => memoryTerms({ text, createdAtMs: 0, context: '' });
const shared = (query: string, text: string): string[] => {
  const terms = new Set(queryTerms(text));
  return queryTerms(query).filter((term) => terms.has(term));
};

describe(queryTerms.name, () => {
  it('stems, and leaves stop words out', () => {
    expect(queryTerms('Where were the neighbours’ dogs running?')).toEqual(['neighbour', 'dog', 'run']);
  });

  it('keeps times, numbers, dates and codes whole', () => {
    expect(queryTerms('On 3 May at 10:15 from gate B12')).toEqual(['3', 'mai', '10:15', 'gate', 'b12']);
    expect(queryTerms('1,250.50 or 3.14 on 8.5.2023 at 08:12')).toEqual(['1250.50', '3.14', '8.5.2023', '8:12']);
  });

  it('finds a time as it is said elsewhere', () => {
    expect(queryTerms('4:45 pm, 3 p.m., 12 am, 12:30 PM')).toEqual(['16:45', '15:00', '0:00', '12:30']);
  });

  it('finds a date by its words and a code without its hyphen', () => {
    expect(queryTerms('2023-05-08')).toEqual(['2023-05-08', '8', 'mai', '2023']);
    expect(shared('B12', 'Gate B-12')).toEqual(['b12']);
    expect(shared('2023-05-08', 'Monday, 8 May 2023')).toEqual(['8', 'mai', '2023']);
  });

  it('finds a telephone number by the whole and by its end', () => {
    const text = 'You can reach my sister at (0176) 555-0142.';
    for (const query of ['01765550142', '0176 5550142 0142', '0142']) expect(shared(query, text)).not.toEqual([]);
    expect(shared('0176 5550199', 'She has 0176 5550142')).toEqual(['0176']);
  });

  it('knows a text from its negation', () => {
    expect(queryTerms('I am allergic')).toEqual(['allerg']);
    for (const text of ['I am not allergic', "I'm not allergic", 'I isn’t allergic', 'cannot, allergic']) {
      expect(queryTerms(text)).toEqual(expect.arrayContaining(['not', 'allerg']));
    }
    expect(queryTerms('never no none without')).toEqual(['never', 'no', 'none', 'without']);
  });

  it('does not mind case, width, accents and invisible characters', () => {
    expect(queryTerms('CAFÉ Ｚürich na\u00adive')).toEqual(queryTerms('cafe zurich naive'));
    expect(queryTerms('می‌خواهم')).toEqual(queryTerms('میخواهم'));
  });

  it('finds the parts of addresses, acronyms with and without dots, and pictures', () => {
    expect(queryTerms('example.org U.S.A. moved.Now 🦊')).toEqual(['exampl', 'org', 'usa', 'move', 'now', '🦊']);
  });

  it('bounds the number and the length of terms', () => {
    const long = Array.from({ length: 1_000 }, (_, index) => `word${index}`).join(' ');
    expect(queryTerms(long)).toHaveLength(96);
    expect(queryTerms(long)).toEqual(expect.arrayContaining(['word0', 'word999']));
    expect(queryTerms('𝒳𐐀'.repeat(5_000)).every((term) => term.length <= 64 && term.isWellFormed())).toBe(true);
    expect(queryTerms('e\u0301'.repeat(5_000))).toHaveLength(1);
  });

  it('makes no term with a space or a control character, whatever it is given', () => {
    const everything = Array.from({ length: 0x3000 }, (_, code) => String.fromCodePoint(code)).join('');
    const terms = termsOf(`${everything} a\u0000b \ud800 c\u200dd ﷺ`);
    expect(terms.filter((term) => term === '' || /[\s\p{C}]/u.test(term))).toEqual([]);
  });
});

describe.each(Object.entries(SENTENCES))('%s', (_language, [first, second, ofFirst, ofSecond]) => {
  it('is found by its words, and by those alone', () => {
    expect(shared(first, second)).toEqual([]);
    expect(shared(ofFirst, first)).not.toEqual([]);
    expect(shared(ofSecond, second)).not.toEqual([]);
    expect(shared(ofSecond, first).length).toBeLessThan(shared(ofSecond, second).length);
  });
});

describe(memoryTerms.name, () => {
  it('has the text, the date in words, in UTC, and the context', () => {
    const terms = memoryTerms({ text: 'I ran.', createdAtMs: MAY_2023, context: 'And Anna?' });
    expect(terms).toEqual(['ran', ...queryTerms('Monday 8 May 2023'), 'anna']);
  });

  it('counts a word as often as it stands there', () => {
    expect(termsOf('dog dogs').filter((term) => term === 'dog')).toHaveLength(2);
  });

  it('is bounded', () => {
    expect(termsOf('tree '.repeat(10_000)).length).toBeLessThanOrEqual(4_000);
  });

  it('is named, with the version of ICU that splits the words', () => {
    expect(TERMS_VERSION).toContain(process.versions.icu);
  });
});

describe(contextTail.name, () => {
  const words = (count: number): string => Array.from({ length: count }, (_, index) => `w${index}`).join(' ');

  it('is the whole context where there is room', () => {
    expect(contextTail('Hello', 'How are you?\nFine!')).toBe('How are you?\nFine!');
  });

  it('has 80 words with the message', () => {
    const tail = contextTail(words(50), words(100));
    expect(tail).toBe(words(100).split(' ').slice(70).join(' '));
    expect(contextTail(words(50), tail)).toBe(tail);
  });

  it('is empty for a message that has 80 words itself', () => {
    expect(contextTail(words(80), 'Before')).toBe('');
    expect(contextTail(words(1_000), 'Before')).toBe('');
  });

  it('is bounded in scripts without spaces and for what has no words, and begins with a word', () => {
    expect(contextTail('在哪里', '我妹妹住在成都。'.repeat(500)).length).toBeLessThanOrEqual(800);
    expect(contextTail('a', 'x'.repeat(100_000)).length).toBeLessThanOrEqual(800);
    expect(contextTail('a', `${'longword '.repeat(20)}${'🦊'.repeat(381)} end`)).toMatch(/^longword /);
  });
});

describe(wordsMatching.name, () => {
  it('says which words of a text a query meets, as they stand there', () => {
    const terms = queryTerms('dog at 16:45 with 小明');
    expect(wordsMatching('The Dogs ran at 4:45 pm to 王小明. Dogs!', terms)).toEqual(['Dogs', '4:45 pm', '小明']);
    expect(wordsMatching('The Dogs ran', [])).toEqual([]);
  });
});

describe(wordsOf.name, () => {
  it('knows where each word stands', () => {
    const text = 'At 10:15 王小明 and I, 🦊!';
    expect(wordsOf(text).map((word) => text.slice(word.start, word.start + word.text.length))).toEqual(
      wordsOf(text).map((word) => word.text),
    );
  });
});
