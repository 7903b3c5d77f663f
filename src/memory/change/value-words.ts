/** Numbers as words, with what they say in digits. */
const NUMBER_WORDS = new Map<string, string>();
for (const list of [
  'two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ' +
    'eighteen nineteen twenty',
  'zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn ' +
    'achtzehn neunzehn zwanzig',
  'deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit ' +
    'dix-neuf vingt',
  'dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete ' +
    'dieciocho diecinueve veinte',
  'dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete ' +
    'dezoito dezenove vinte',
  'due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici ' +
    'diciassette diciotto diciannove venti',
  'dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście ' +
    'piętnaście szesnaście siedemnaście osiemnaście dziewiętnaście dwadzieścia',
  'два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать ' +
    'пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать',
  'två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton tjugo',
  'twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien ' +
    'achttien negentien twintig',
  'iki üç dört beş altı yedi sekiz dokuz on',
  'اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة',
  'दो तीन चार पांच छह सात आठ नौ दस',
  '二 三 四 五 六 七 八 九 十',
]) {
  list.split(' ').forEach((word, index) => NUMBER_WORDS.set(word, String(index + 2)));
}
for (const list of [
  'thirty forty fifty sixty seventy eighty ninety hundred',
  'dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert',
  'trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix cent',
  'treinta cuarenta cincuenta sesenta setenta ochenta noventa cien',
  'trinta quarenta cinquenta sessenta setenta oitenta noventa cem',
  'trenta quaranta cinquanta sessanta settanta ottanta novanta cento',
  'тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто',
]) {
  list.split(' ').forEach((word, index) => NUMBER_WORDS.set(word, String((index + 3) * 10)));
}
// Words of daily use in one language that are numbers in another one.
for (const word of ['on', 'sei', 'sex', 'elf', 'once', 'fem', 'due']) NUMBER_WORDS.delete(word);

/** Days and months: what an appointment is moved from and to. */
const CALENDAR_WORDS = new Set(
  `monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays
   sundays
   january february march april may june july august september october november december
   today tomorrow morning afternoon evening night nights noon midnight spring summer autumn winter
   montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz mai juni juli oktober dezember
   morgen abend
   lundi mardi mercredi jeudi vendredi samedi dimanche janvier février mars avril juin juillet août septembre octobre
   novembre décembre
   lunes martes miércoles jueves viernes sábado domingo enero febrero marzo abril mayo junio julio agosto septiembre
   octubre noviembre diciembre
   segunda terça quarta quinta sexta janeiro fevereiro março maio junho julho setembro outubro novembro dezembro
   lunedì martedì mercoledì giovedì venerdì sabato domenica gennaio febbraio aprile maggio giugno luglio settembre
   ottobre dicembre
   poniedziałek wtorek środa środę czwartek piątek sobota sobotę niedziela niedzielę stycznia lutego marca kwietnia
   maja czerwca lipca sierpnia września października listopada grudnia
   понедельник вторник среда среду четверг пятница пятницу суббота субботу воскресенье января февраля марта апреля мая
   июня июля августа сентября октября ноября декабря
   pazartesi salı çarşamba perşembe cuma cumartesi pazar ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim
   kasım aralık
   måndag tisdag onsdag torsdag fredag lördag söndag januari februari maj augusti
   maandag dinsdag woensdag donderdag vrijdag zaterdag zondag maart mei
   الأحد الاثنين الثلاثاء الأربعاء الخميس الجمعة السبت
   सोमवार मंगलवार बुधवार गुरुवार शुक्रवार शनिवार रविवार
   月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 星期一 星期二 星期三 星期四 星期五 星期六 星期日 周一 周二 周三 周四 周五 周六 周日 上午 下午 早上 晚上 午前 午後
   월요일 화요일 수요일 목요일 금요일 토요일 일요일 오전 오후`.split(/\s+/u),
);

/** The number that a word in lower case stands for, in digits; else the word itself. */
export const digitsOf = (folded: string): string => NUMBER_WORDS.get(folded) ?? folded;

/** Whether a word in lower case is a day, a month or a time of the day. */
export const isCalendarWord = (folded: string): boolean => CALENDAR_WORDS.has(folded);
