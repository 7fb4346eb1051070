//! A grammar of program text. What it derives reads like programs and need not compile.

/// Derives `block`.
pub(super) const RULES: &str = r##"
block:
    «rust»
    «rust»
    «python»
    «python»
    «c»
    «sql»\n«sql»\n«sql»
    «json»
    «shell»\n«shell»\n«shell»\n«shell»

rust:
    /// «^verb» the «noun» of each «noun», and stop at «2..999».\npub fn «f=function»(«a=field»s: &[«int»], «b=noun»: «int») -> Option<«int»> {\n    let mut «c=noun»_«quantity» = «0..99»;\n    for («i=index», «x=letter») in «a»s.iter().enumerate() {\n        «rust_step»\n        «rust_step»\n    }\n    («c» > «b»).then_some(«c» «op» «2..97»)\n}
    #[derive(Debug, Clone)]\nstruct «t=type» {\n    «a=field»: «int»,\n    «b=noun»: Vec<«int»>,\n    «c=field»_«quantity»: String,\n}\n\nimpl «t» {\n    fn «function»(&self, «x=letter»: «int») -> bool {\n        self.«a» «compare» «x» && self.«b».len() «compare» «2..64»\n    }\n}
    match «a=noun».«verb»(«2..999») {\n    Ok(«x=letter») if «x» «compare» «3..99» => «function»(&«x»)?,\n    Ok(_) => return Err(«type»::«^adjective»«^noun»),\n    Err(error) => warn!("cannot «verb» «noun» {}: {error}", «a»),\n}
rust_step:
    if «x» % «2..19» == «i» as «int» {\n            «c» += «x» «op» «1..99»;\n        }
    «c» = «c».wrapping_«arith»(*«x» ^ 0x«2..9»f«10..99»);
    «c» = «c».max(«x» >> «1..7»);
    if *«x» «compare» «b» { continue; } // «noun» before «noun»
    «verb»(«i», «x», "«adjective» «noun»");

python:
    def «f=function»(«a=field», «b=noun»="«adjective»", *, «c=quantity»=«2..99»):\n    """«^verb» every «adjective» «noun» until the «noun» is «adjective»."""\n    «r=letter»_«noun» = []\n    for «x=letter», «i=index» in enumerate(«a»):\n        «python_step»\n        «python_step»\n    return sorted(«a», key=lambda «x»: «x».«field»)[:«c»]
    class «t=type»(«type»):\n    def __init__(self, «a=field», «b=noun»):\n        self.«a» = «a»\n        self._«b» = {«b».«quantity»: «2..999»}\n\n    def «f=function»(self):\n        return [«x=letter» «op» «2..97» for «x» in self.«a» if «x» «compare» «2..999»]
    with open("«noun»_«noun».«suffix»") as «a=noun»:\n    «b=field» = {line.split("«separator»")[«0..4»]: int(line[«1..9»:]) for line in «a»}\nassert «b»["«noun»"] «compare» «2..9999», "«noun» is not «adjective»"\nprint(f"{len(«b»)} «adjective» «noun»s")
python_step:
    if «x» «compare» «c»:\n            raise ValueError(f"expected «noun», found {«i»!r}")
    «a»[«x»].«verb»(«b», «quantity»=«2..999»)
    «c» «op»= «x» «op» «2..9»
    yield «i», «b».«verb»("«noun»")
    logging.debug("«verb» %s: %d «noun»s", «b», «c»)

c:
    static int «f=function»(const struct «a=noun» *«x=letter», size_t «n=quantity») {\n    unsigned «c=field» = «2..999»u;\n    for (size_t «i=index» = 0; «i» < «n»; ++«i») {\n        if («x»[«i»].«noun» «compare» «c»)\n            «c» «op»= «x»[«i»].«field» & 0x«10..99»;\n        else\n            «verb»_«noun»(&«x»[«i»], «2..99»);\n    }\n    return «c» ? (int)«c» : -«1..22»; /* «adjective» «noun» */\n}
    #define «noun»_MAX «2..9999»\n\ntypedef struct {\n    uint32_t «a=field»; /* «noun» of the «noun» */\n    float «b=noun»[«2..64»];\n    char *«field»_«quantity»;\n} «t=noun»_t;\n\nvoid «function»(«t» *«x=letter») {\n    memset(«x»->«b», «0..9», sizeof «x»->«b»);\n    «x»->«a» = «verb»(«x»->«a», «2..999»);\n}

sql:
    SELECT «a=letter».«field», COUNT(*) AS «quantity» FROM «noun»s «a» JOIN «noun»s USING («noun»_id) WHERE «a».«field» «compare_sql» «2..9999» GROUP BY «field» ORDER BY «quantity» DESC LIMIT «2..99»;
    UPDATE «noun»s SET «field» = «field» «op» «2..99», «field» = '«adjective»' WHERE «noun» IN («2..99», «100..199», «200..999»);
    INSERT INTO «adjective»_«noun»s («field», «noun», «quantity») VALUES ('«noun»', «2..999», «2..99»), ('«adjective»', «2..999», «2..99»);
    CREATE TABLE «noun»s («noun»_id INTEGER PRIMARY KEY, «field» TEXT NOT NULL, «field» REAL CHECK («field» «compare_sql» «2..99»));

json:
    {\n  "«field»": "«adjective» «noun»",\n  "«noun»s": [«2..999», «2..999», «2..99»],\n  "«quantity»": {"«noun»": «2..9999», "«field»": «truth», "«adjective»": null},\n  "«field»_«noun»": [{"«noun»": "«verb»", "«quantity»": «2..99»}, {"«noun»": "«verb»", "«quantity»": «2..99»}]\n}

shell:
    for «x=letter» in «noun»s/*.«suffix»; do «command» "$«x»" > "${«x»%.*}.«suffix»"; done
    «command» -n «2..99» «noun».«suffix» | sort -k«2..9» | uniq -c | head -«2..30»
    find . -name '«noun»*.«suffix»' -size +«2..999»k -exec «command» {} +
    export «noun»_«quantity»="$(«command» --«adjective» «noun».«suffix»)"
    test -f /srv/«noun»/«field».«suffix» || echo "no «adjective» «noun»" >&2

function:
    «verb»_«noun»
    «verb»_«adjective»_«noun»
    «noun»_«quantity»
type:
    «^noun»«^role»
    «^adjective»«^noun»
field: name width offset colour owner status price weight start limit label depth speed region version
quantity: count total size length sum rate share degree index_max budget
index: i j k n idx pos row
letter: x y z v w item entry value node cell a b
role: reader cache queue builder visitor error table handle pool filter
int: u8 u16 u32 u64 i32 i64 usize
op: + - * |
arith: add sub mul
compare: < > == != <= >=
compare_sql: < > = <> <= >=
truth: true false
suffix: txt csv json log dat toml
separator: , ; | /
command: grep wc cut awk sed gzip cksum tail
adjective: empty valid stale sorted remote dirty global open signed pending sparse local frozen dense nested
noun: packet buffer ledger tensor invoice token route sensor account window record kernel matrix user order page stream job graph block frame vertex ticket mesh socket
verb: parse merge load update count find split encode push scan resolve check flush copy reserve hash trim
"##;
