import type { ComparableText, Word } from './text-difference.js';

/** Words of one kind in many languages: whole words, and pieces of text for what is no word of its own. */
export interface WordList {
  /** How many there are in a text. */
  count(text: ComparableText): number;
  has(word: Word): boolean;
}

/** @param alternatives pieces that are looked for in the text in lower case */
function wordList(list: string, ...alternatives: RegExp[]): WordList {
  const known = new Set(list.split(/\s+/u));
  const pieces = new RegExp(alternatives.map(({ source }) => source).join('|'), 'gu');
  const piecesIn = (text: string) => text.toLowerCase().replaceAll('’', "'").match(pieces)?.length ?? 0;
  return {
    count: ({ text, words }) => words.filter(({ folded }) => known.has(folded)).length + piecesIn(text),
    has: ({ folded }) => known.has(folded) || piecesIn(folded) > 0,
  };
}

/** That something is not so. */
export const NEGATIONS = wordList(
  `not never none nobody nothing neither nor cannot without isnt dont doesnt cant wont
   nicht kein keine keinen keinem keiner keines nie niemals nichts
   ne pas jamais aucun aucune rien
   nunca jamás ningún ninguna ninguno nada tampoco
   não nao nunca jamais nenhum nenhuma nem
   non nessun nessuno nessuna niente
   nie nigdy nic żaden żadna
   не нет ни никогда ничего нельзя немає ні
   değil yok hiç asla
   nej inte ingen inget inga aldrig ikke aldrig aldri ei eivät ekki
   niet geen nooit niets
   není nejsem nemám nikdy ne nem nincs nincsen soha niciodată δεν μην όχι ποτέ
   tidak bukan belum không chẳng
   لا ليس ليست لست لم لن ما غير بدون لیس نیست نه
   नहीं नही मत न ना কখনো না নেই নয়
   לא אין אינו אינני`,
  /n't\b|\bn'/u,
  /^(?!.*(?:[ãõ]|\b(?:meus?|minhas?|dia|eu|em|uma|ao)\b)).*?\bno\b/u,
  /\bnu (?:mai|am|sunt|este|pot|îmi)\b/u,
  /[不没沒無无]|ません|なかった|ない(?!か)|않|없|(?<=\s)(?:안|못)\s/u,
  /m[ıiuü]yor|m[ae]d[ıi]m\b|\p{L}{2}m[ae]m(?=[.!?]*$)|ไม่/u,
);

/** That something has become otherwise: time, ending, replacement, correction. */
export const CHANGES = wordList(
  `now anymore longer instead actually currently nowadays meanwhile since became become turned switched switch swapped
   traded changed change changing moved moving relocated quit resigned fired promoted divorced separated stopped stop
   dropped ditched sold replaced cancelled canceled postponed delayed rescheduled rebooked extended upgraded correction
   corrected mistaken misremembered wrong renamed raised increased reduced updated update deleted returned
   retired transferred decided settled finally closed ended finished 
   jetzt nun nunmehr inzwischen mittlerweile statt stattdessen anstatt mehr doch umgezogen gezogen gewechselt verschoben
   verlegt geändert umgebucht verkauft aufgehört gekündigt seit neuerdings korrektur künftig abgesagt getrennt neue
   neuer neues
   maintenant désormais plutôt finalement dorénavant déménagé changé quitté arrêté vendu déplacé déplacée reporté
   reportée
   annulé annulée démissionné séparés nouveau nouvelle
   ahora ya mudé mudado cambié cambiaron cambiado cambió dejé dejado vendí mejor final cancelado cancelaron aplazado
   aplazaron renuncié nuevo nueva pasó
   agora já mudei mudou passou vendi deixei parei afinal cancelado cancelada adiado adiada novo nova
   adesso ora ormai più trasferito trasferita spostato spostata spostato cambiato cambiata smesso venduto invece
   annullato
   annullata rinviata nuovo nuova lasciato
   teraz już zmieniłam zmieniłem przeprowadziłem przeprowadziłam sprzedałem sprzedałam rzuciłem rzuciłam jednak zamiast
   przełożona przełożono przesunięta przesunięto odwołane odwołano nowy nowa nowe
   теперь больше уже сейчас переехал переехала уволился уволилась перенесли перенесен бросил бросила сменил сменила
   вместо
   отменили продал продала новый новая новое зараз тепер більше вже переїхав переїхала
   artık şimdi taşındım bıraktım yeni değişti değiştirdim sattım oldu ertelendi iptal
   nu numera längre istället flyttat flyttade flyttats slutat sålt ändrat bytt inställt nya lenger flyttet lenge længere
   ikkje nå ny solgt sluttet
   nu voortaan inmiddels verhuisd gestopt verkocht gewijzigd verzet verplaatst geannuleerd nieuwe toch
   الآن اصبحت أصبح أصبحت انتقلت تركت أعد تعد يعد تغير تغيرت تغيّر بدلا توقفت بعت جديد جديدة تأجل
   अब छोड़ बदल गई गया नए नई नया
   teď už odteď přestěhoval přestěhovala nyní már költöztem mostantól τώρα πια πλέον acum mutat nykyään enää nyt
   muutin sekarang lagi pindah giờ nữa chuyển עכשיו כבר עברתי`,
  /no longer|gave (?:up|away)|\bleft\b(?! (?:knee|hand|arm|leg|foot|ear|eye|shoulder|side))/u,
  /any more|any longer|from now on|these days|after all|turns out|used to/u,
  /got rid|laid off|scratch that|(?:called|is|are) off|broke up|(?:up|down) to/u,
  /back to|(?:my|our|the) new\b/u,
  /nicht mehr|ne\s.+\splus\b/u,
  /现在|現在|改|搬|换|換|不再|取消|推迟|了[。！!]?$/u,
  /今は|もう|引っ越|変わ|変更|新しい|やめ|中止/u,
  /이제|지금|바뀌|바뀐|이사|그만|더 이상|더는|취소|새로/u,
);

/** That something is said beside what was said, not instead. */
export const ADDITIONS = wordList(
  `also too another additionally besides both second other
   auch noch ebenfalls außerdem zusätzlich zweite zweiter
   aussi également encore autre
   también además otro otra
   também outro outra além
   anche pure inoltre altro altra
   też także również jeszcze drugi druga
   тоже также ещё еще другой
   ayrıca bir-de
   också även annan annat også
   ook daarnaast nog ander andere
   أيضا كذلك ايضا
   भी साथ
   också také taky też juga cũng επίσης גם`,
  /as well|por otro lado|[也还還]|\p{L}も|(?<=\p{L})도\s|\bde\b(?=\s+sev)/u,
);

/** Who is spoken of, where it is not the one who speaks. */
export const RELATIVES = wordList(
  `mother mum mom mommy father dad daddy sister brother son daughter wife husband girlfriend boyfriend partner uncle
   aunt
   cousin niece nephew grandmother grandma grandfather grandpa granddad neighbour neighbor friend colleague flatmate
   boss dog cat parents kids
   mutter mama vater papa schwester bruder sohn tochter frau mann freundin freund onkel tante cousine oma opa
   großmutter großvater nachbar nachbarin kollege kollegin eltern
   mère maman père soeur sœur frère fils fille femme mari oncle cousine grand-mère grand-père voisin voisine ami amie
   madre mamá padre papá hermana hermano hijo hija esposa marido mujer tío tía primo prima abuela abuelo vecino amigo
   amiga
   mãe pai irmã irmão filho filha mulher tio tia avó avô vizinho
   sorella fratello figlio figlia moglie marito zio zia cugino cugina nonna nonno
   matka mama ojciec tata siostra brat syn córka żona mąż wujek ciocia babcia dziadek kuzyn
   мать мама мать отец папа сестра сестру брат сын дочь жена муж дядя тётя бабушка дедушка друг подруга
   annem babam ablam abim kardeşim oğlum kızım eşim karım kocam amcam teyzem dayım halam kuzenim dedem
   mamma pappa syster bror dotter fru moster faster farbror mormor farfar
   moeder vader zus broer zoon dochter vrouw oom opa vriend vriendin
   أمي أبي أخي أختي ابني ابنتي زوجتي زوجي عمي خالي جدي جدتي صديقي
   माँ मां पिता पिताजी बहन भाई बेटा बेटी पत्नी पति चाचा दादी दादा दोस्त`,
  /妈妈|爸爸|姐姐|妹妹|哥哥|弟弟|儿子|女儿|妻子|丈夫|奶奶|爷爷|父は|母は|姉|妹|兄|弟|息子|娘|夫|妻|祖母|祖父|어머니|아버지|언니|누나|오빠|동생|아들|딸|아내|남편/u,
);

/** That something happened once: it holds whatever else happens. */
export const EPISODES = wordList(
  `was were went had visited saw met bought watched read ate ran broke paid gave spent stayed planted taught ordered
   yesterday ago last tonight
   war waren hatte habe gestern voriges letztes vorige besuchte früher
   suis allé allée dernier dernière été passé
   ayer estuve fui comí compré pasado anoche
   ontem comi fui comprei estive
   ieri stato stata andato andata scorso
   wczoraj byłem byłam zeszłym kupiłem
   вчера был была были прошлом купил
   dün gittim geçen yedim
   igår var förra såg köpte
   gisteren was vorig kocht
   أمس زرت ذهبت الماضي اشتريت
   कल था थी गया`,
  /去年|昨天|去了|昨日|行きました|했어요|갔어요|작년/u,
);

/** Verbs of what is one way at a time: who or where somebody is, what something costs, when it begins. */
export const STATES = wordList(
  `is are am i'm was lives live living works work weighs weigh costs cost starts start begins begin ends leaves leave
   opens
   open closes close studies study earn called named sits stands expires due favourite favorite drive drives prefer
   ist sind bin heißt wohne wohnt lebe lebt arbeite arbeitet kostet beginnt fängt fährt schließt öffnet liegt wiege
   est sont suis habite habites vit travaille travaillent coûte commence s'appelle part ouvre ferme
   es son soy está están vivo vive trabajo trabaja cuesta empieza sale abre cierra llama peso
   é são sou está moro mora vivo trabalho trabalha custa começa sai abre fecha
   è sono abito abita vivo vive lavoro lavora costa inizia comincia parte apre chiude chiama
   jest są mieszkam mieszka pracuję pracuje kosztuje zaczyna nazywa
   живу живёт работаю работает стоит начинается зовут отправляется
   är bor jobbar arbetar kostar börjar heter kör er bor arbejder
   is zijn ben woon woont werk werkt kost begint heet
   yaşıyorum oturuyorum çalışıyorum adı
   住在 工作 叫 是 は`,
  /喜欢的|好きな/u,
);

/** What is said to one another and tells nothing of oneself. */
export const COURTESIES = wordList(
  `thanks thank thx hey hi hello bye goodbye wow yay haha lol ok okay sure yeah yep congrats congratulations awesome
   amazing
   great glad welcome luck appreciate appreciated agree agreed sorry wonderful
   awww aw absolutely definitely exactly totally proud happy kudos cheers
   danke dankeschön hallo tschüss freut glückwunsch klasse  
   merci bonjour bonsoir salut bravo félicitations gentil
   gracias hola adiós enhorabuena felicidades
   obrigado obrigada olá tchau parabéns
   grazie ciao bravo complimenti buongiorno
   dziękuję cześć gratulacje hej tack grattis
   спасибо привет поздравляю
   teşekkürler merhaba tebrikler
   شكرا مرحبا مبروك धन्यवाद नमस्ते बधाई bedankt hoi gefeliciteerd`,
  /good (?:morning|night|evening)|谢谢|你好|恭喜|再见|ありがとう|おめでとう|こんにちは|고마워|감사|축하|안녕/u,
);

/** Who is spoken to. */
export const ADDRESSED = wordList(
  `you your yours you're you've you'll you'd yourself u ya du dein deine dir dich ihr tu te ton ta tes vous votre tú ti
   usted você voce teu tua tuo ты тебя тебе твой вы вас sen sana dig din je jij jouw`,
  /你|您|あなた|당신/u,
);
