//! Grammars of languages that order their words in other ways than English. Sentences are grammatical, not sensible.

/// Each derives `paragraph`.
pub(super) const ALL: [&str; 6] = [GERMAN, SPANISH, RUSSIAN, CHINESE, JAPANESE, ARABIC];

/// The finite verb comes second in a main clause, last in a subordinate one; participles and infinitives close it.
const GERMAN: &str = r"
paragraph:
    «satz» «satz» «satz» «satz»
    «satz» «satz» «satz» «satz» «satz» «satz»
satz:
    «^wer» «tut» «wen».
    «^wann» «tut» «wer» «wen» «wo».
    «^wo» «tut» «wer» «wann» «wen».
    «^wer» hat «wen» «wo» «getan».
    «^wann» hat «wer» «wen» «getan», weil «wer» «wen» «tut».
    «^wer» «modal» «wen» «wann» «tun».
    Wenn «wer» «wen» «tut», «modal» «wer» «wen» «wo» «tun».
    «^wer», «relativ», «tut» «wen».
    «^wen» hat «wer» nie «getan», obwohl «wer» «wo» «wen» «tut».
    Warum «tut» «wer» «wen», bevor «wer» «wen» «tun» «modal»?
relativ:
    «der» «wen» «getan» hat
wer:
    der «mann»
    der «adj»e «mann»
    die «frau»
    die «adj»e «frau»
    Herr «name»
    Frau «name»
der: der
wen:
    den «m»
    den «adj»en «m»
    die «f»
    die «adj»e «f»
    das «n»
    das «adj»e «n»
    «2..99» «plural»
    «zahl» «adj»e «plural»
wo:
    hinter dem «m»
    neben der «f»
    vor dem «adj»en «n»
    unter der «adj»en «f»
    bei dem «mann»
    in der Stadt «name»
wann: heute gestern morgens abends oft danach bald manchmal jetzt zuerst später
    am Morgen
    nach der Reise
    im «monat»
    um «2..12» Uhr
    seit «1701..1989»
name:
    «^silbe»«silbe»
    «^silbe»«silbe»er
    «^silbe»mann
silbe: ber hol stein kell gra wald mer lind ross fal bach dorn eich hart kron
monat: Januar Februar März April Mai Juni Juli August September Oktober November Dezember
zahl: zwei drei vier fünf sechs sieben acht neun zehn zwölf zwanzig hundert
mann: Müller Lehrer Bäcker Gärtner Richter Maler Schlosser Kapitän Händler Fischer Wirt Schneider Arzt Schüler Bauer
frau: Lehrerin Ärztin Weberin Köchin Malerin Richterin Händlerin Nachbarin Schülerin Gärtnerin Pilotin Bäuerin
m: Schlüssel Brief Turm Garten Wagen Spiegel Koffer Baum Teller Stuhl Hafen Ofen Stein Kessel Zaun Anker Mantel Hammer Korb Fluss
f: Brücke Lampe Uhr Karte Glocke Tür Leiter Flasche Mühle Geige Straße Münze Feder Kiste Schaufel Kerze Mauer Tasche Nadel Pumpe
n: Buch Fenster Rad Schiff Haus Seil Messer Boot Fass Bild Kleid Werkzeug Netz Dach Brett Segel Blatt Heft Glas Tor
plural: Bücher Lampen Briefe Türme Räder Schiffe Steine Münzen Kerzen Nadeln Äpfel Bretter Fässer Netze Häuser
adj: alt klein neu rot blau still schnell hell rund schwer leicht warm kalt schmal breit voll jung grün fremd gelb
tut: sieht findet trägt öffnet sucht malt zählt kauft bringt holt misst verkauft versteckt beschreibt verliert repariert
getan: gesehen gefunden getragen geöffnet gesucht gemalt gezählt gekauft gebracht geholt gemessen verkauft versteckt beschrieben verloren repariert
tun: sehen finden tragen öffnen suchen malen zählen kaufen bringen holen messen verkaufen verstecken beschreiben verlieren reparieren
modal: will kann muss soll darf
";

/// Adjectives follow their nouns; subjects may follow their verbs.
const SPANISH: &str = r"
paragraph:
    «frase» «frase» «frase» «frase»
    «frase» «frase» «frase» «frase» «frase» «frase»
frase:
    «^quien» «hizo» «cosa» «donde».
    «^cuando», «quien» «hizo» «cosa».
    «^donde» había «2..99» «cosas».
    «^cuando» «hizo» «quien» «cosa», pero «quien» no «hizo» «cosa».
    ¿Por qué «hizo» «quien» «cosa» «donde»?
    «^quien», que «hizo» «cosa», «hizo» también «cosa».
    ¡Nunca «hizo» nadie «cosa» como «quien»!
    Cuando «quien» «hizo» «cosa», «quien» «hizo» «cosa».
    «^quien» ha «hecho» «cosa» «donde».
quien:
    el «hombre»
    la «mujer»
    el «hombre» «adj_m»
    la «mujer» «adj_f»
    don «nombre»
    doña «nombre»
cosa:
    el «m»
    la «f»
    el «m» «adj_m»
    la «f» «adj_f»
    un «m» «adj_m» del «hombre»
    una «f» «adj_f» de la «mujer»
    «2..99» «cosas»
donde:
    en la «f»
    cerca del «m»
    detrás de la «f» «adj_f»
    junto al «m» «adj_m»
    en la ciudad de «nombre»
cuando: ayer entonces después anoche hoy
    por la mañana
    en «1650..1990»
    el «2..28» de «mes»
    antes de la cena
    a las «2..12»
nombre:
    «^silaba»«silaba»«final»
    «^silaba»«final»
silaba: ra mo lu car be ti san el ga no vi do pe lla
final: no na dro ra rio ta nda ro les
mes: enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
hombre: panadero médico marinero pintor maestro carpintero juez jardinero pastor herrero músico cocinero
mujer: panadera médica maestra pintora vecina tejedora jueza cocinera abuela costurera escritora jardinera
m: puente reloj barco libro espejo cuaderno camino jardín molino sombrero martillo barril violín mapa horno cuchillo río faro tren cajón
f: carta llave lámpara mesa torre ventana campana piedra escalera moneda aguja puerta botella silla guitarra cesta rueda vela pluma cuerda
cosas: cartas llaves lámparas mesas torres ventanas campanas piedras monedas agujas libros barcos relojes mapas sillas velas
adj_m: viejo pequeño rojo nuevo roto pesado largo estrecho blanco vacío hermoso extraño negro antiguo barato
adj_f: vieja pequeña roja nueva rota pesada larga estrecha blanca vacía hermosa extraña negra antigua barata
hizo: encontró vendió pintó abrió perdió compró llevó describió copió escondió guardó midió rompió recordó buscó limpió
hecho: encontrado vendido pintado abierto perdido comprado llevado descrito copiado escondido guardado medido roto recordado buscado limpiado
";

/// Endings say who does what, so that words change places freely.
const RUSSIAN: &str = r"
paragraph:
    «фраза» «фраза» «фраза» «фраза»
    «фраза» «фраза» «фраза» «фраза» «фраза» «фраза»
фраза:
    «^кто» «сделал» «что» «где».
    «^что» «сделал» «кто» «когда».
    «^когда» «кто» «что» «где» «сделал».
    «^где» «сделал» «что» «кто», а «кто» «сделал» «что».
    «^кто» «сделал» «что», потому что «кто» не «сделал» «что».
    Зачем «кто» «сделал» «что» «где»?
    «^кто», который «когда» «сделал» «что», «сделал» и «что».
    В «1701..1989» году «кто» «сделал» «что».
кто:
    «мастер»
    «какой» «мастер»
    «имя»
    «мастер» «имя»
что:
    «м»
    «какой_м» «м»
    «ж»
    «какую» «ж»
где:
    у реки
    в саду
    на рынке
    за домом
    под мостом
    возле школы
    на острове
    в старом городе
    перед церковью
    около станции
когда: утром вчера потом однажды весной зимой вечером ночью летом осенью сегодня недавно
имя:
    «^слог»«слог»ов
    «^слог»«слог»ин
    «^слог»ский
слог: бар вол гор дем зар кал лев мор ник пет рост сав тих фед юр
мастер: учитель рыбак мастер врач художник сторож кузнец повар садовник капитан писатель инженер плотник судья
какой: старый молодой весёлый тихий добрый усталый умный хитрый смелый
какой_м: старый новый тяжёлый красный синий маленький пустой узкий яркий странный
какую: старую новую тяжёлую красную синюю маленькую пустую узкую яркую странную
м: мост стол ключ дом корабль камень фонарь молоток колокол сундук якорь чайник забор нож топор
ж: книгу лампу лодку карту башню дверь монету свечу бутылку лестницу скрипку корзину верёвку картину иглу
сделал: нашёл открыл увидел продал купил потерял спрятал нарисовал измерил починил принёс забыл описал сломал запомнил
";

/// Time and place come before the verb, everything that modifies a noun before the noun.
const CHINESE: &str = r"
paragraph:
    «句»«句»«句»«句»
    «句»«句»«句»«句»«句»«句»
句:
    «时»，«人»在«地»«做»了«数»«物»。
    «人»«做»了«形»的«东西»，«人»却«做»了«形»的«东西»。
    因为«人»没有«做»«东西»，所以«人»«时»«做»了«数»«物»。
    «人»把«形»的«东西»放在«地»。
    «时»«人»为什么«做»了«东西»？
    «在地»有«数»«物»，都是«人»的。
    «人»«做»的«东西»比«人»的«更»。
    «1701..1989»年，«人»到«地»去«做»«东西»。
    «东西»被«人»«做»了，«人»还不知道。
在地:
    «地»
人:
    «职»
    «形»的«职»
    «姓»先生
    «姓»老师
    «姓»«名»
姓: 王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 马 朱 胡
名: 明 华 丽 强 芳 军 敏 静 伟 秀英 海燕 建国 小龙 文博
职: 老师 医生 渔夫 木匠 画家 农民 船长 学生 厨师 铁匠 邻居 裁缝 工人 商人
时: 昨天 今天早上 去年冬天 晚上 后来 有一天 下雨的时候 三月里 中午 天亮以前 这时
地: 河边 山上 市场里 桥下 学校里 花园里 码头上 车站旁边 村子里 城外 图书馆里 井边
做: 找到 看见 买 卖 画 修好 打开 丢 数 借 藏起来 记住 量 擦干净 忘记
形: 旧 新 红 小 大 重 轻 漂亮 奇怪 安静 便宜 古老 聪明 年轻 黑
更: 贵 重 好看 旧 新 长 轻 少见 结实
东西: 钥匙 灯笼 船 书 镜子 钟 石头 信 箱子 地图 琴 锤子 门 桌子 瓶子 绳子 茶壶 篮子
数: 两 三 五 七 八 十 十二 几
    «2..99»
物:
    把椅子
    本书
    条鱼
    只鸟
    封信
    张纸
    盏灯
    块石头
    匹马
    座桥
    支蜡烛
    个苹果
    棵树
    枚硬币
";

/// The verb comes last; particles behind nouns say what they do; relative clauses stand before their nouns.
const JAPANESE: &str = r"
paragraph:
    «文»«文»«文»«文»
    «文»«文»«文»«文»«文»«文»
文:
    «人»は«場»で«物»を«した»。
    «時»、«人»が«物»を«した»。
    «人»が«した»«物»は«人»の«物»より«形»。
    «時»、«人»は«した»«物»を«場»に置いた。
    «人»は«物»を«した»が、«人»は«物»を«しなかった»。
    なぜ«人»は«場»で«物»を«した»のだろうか。
    «場»には«形»«物»が«2..99»個あった。
    «1701..1989»年に«人»が«物»を«した»ので、«人»も«物»を«した»。
    «人»と«人»は「«物»を«した»」と言った。
人:
    «職»
    «姓»さん
    «形»«職»
    «姓»先生
    «地名»の«職»
姓: 佐藤 鈴木 高橋 田中 伊藤 渡辺 山本 中村 小林 加藤 吉田 松本 井上 木村
地名: 京都 村 港町 長崎 隣町 北国 奈良 山里
職: 漁師 先生 大工 医者 画家 船長 学生 料理人 農夫 鍛冶屋 商人 庭師 仕立屋
時: 昨日 朝早く 去年の冬 その晩 雨の日に ある日 三月に 夜明け前に 昼過ぎ そのあと
場: 川岸 市場 橋の下 学校 庭 港 駅 村 図書館 山 島 井戸のそば 海辺 工場
物: 鍵 船 本 鏡 時計 石 手紙 箱 地図 琴 金槌 机 瓶 縄 やかん 籠 ランプ 鐘 絵 傘
形: 古い 新しい 赤い 小さい 重い 軽い 美しい 珍しい 静かな 安い 黒い 長い 若い 大きい
した: 見つけた 売った 買った 描いた 開けた なくした 数えた 運んだ 隠した 直した 忘れた 借りた 測った 磨いた 壊した
しなかった: 見つけなかった 売らなかった 買わなかった 描かなかった 開けなかった 数えなかった 運ばなかった 隠さなかった 直さなかった
";

/// The verb comes first.
const ARABIC: &str = r"
paragraph:
    «جملة» «جملة» «جملة» «جملة»
    «جملة» «جملة» «جملة» «جملة» «جملة» «جملة»
جملة:
    «فعل» «فاعل» «مفعول» «أين».
    «متى» «فعل» «فاعل» «مفعول».
    «فعل» «فاعل» «مفعول» ثم «فعل» «فاعل» «مفعول».
    لماذا «فعل» «فاعل» «مفعول» «أين»؟
    «فعل» «فاعل» الذي «فعل» «مفعول» «مفعول» أيضا.
    لما «فعل» «فاعل» «مفعول»، «فعل» «فاعل» «مفعول» «متى».
    في سنة «1701..1989» «فعل» «فاعل» «مفعول» «أين».
فاعل:
    «اسم»
    «اسم» «صفة»
اسم: المعلم الطبيب التاجر النجار الصياد الرسام القاضي الطباخ الفلاح الحارس البحار الطالب المهندس الخياط
صفة: الكبير الصغير العجوز الطيب الذكي الغريب الهادئ الجديد الشجاع الفقير
مفعول:
    «شيء»
    «شيء» «وصف»
شيء: الكتاب المفتاح المصباح القارب الباب البيت الجسر الصندوق الحجر القلم الجرس الحبل الكرسي السيف الدفتر البرج
وصف: القديم الجديد الثقيل الأحمر الصغير الجميل الطويل الأسود الغالي الأبيض
فعل: وجد فتح رأى باع حمل رسم كسر نسي وصف أخذ ترك طلب سرق حفظ اشترى أصلح
متى: أمس اليوم صباحا مساء ليلا أخيرا
    بعد السفر
    قبل المطر
أين:
    في السوق
    قرب النهر
    خلف البيت
    تحت الشجرة
    أمام المدرسة
    في المدينة
    على الجبل
    عند البئر
    بين الحقول
    في الميناء
";
