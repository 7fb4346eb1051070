//! A grammar of English prose.

/// Derives `paragraph`.
pub(super) const RULES: &str = r"
paragraph:
    «sentence» «sentence» «sentence» «sentence»
    «sentence» «sentence» «sentence» «sentence» «sentence»
    «sentence» «sentence» «sentence» «sentence» «sentence» «sentence» «sentence»
    «^when», «who=name» came to «place». «about» «sentence» «about» «sentence» «about»
    “«^clause»,” said «who=name». «about» “«question»” «sentence» «about»

sentence:
    «^clause».
    «^clause».
    «^clause», «joint» «clause».
    «^when», «clause».
    «^where» «there» «amount» «adjective» «things», and «clause».
    «^subordinate» «clause», «clause».
    «^subject», who had «done» «object», «did» «object» «where».
    «^object» was «done» by «subject» «when».
    «question» «^clause».
    «^clause»; «clause».
    Not until «clause» «auxiliary» «subject» «do» «object».
    «^one_of» the «adjective» «things» «where» had been «done» «how».
    “«^clause»,” said «name», “«joint» «clause».”
    What «subject» «did» «where» was «object», not «object».

about:
    «who» «did» «object» «where».
    For «amount» «times», «who» had «done» «object».
    «^when», «who» «did» «object» «how», «joint» «clause».
    «^object» belonged to «who», although «clause».

question:
    Who «did» «object» «where»?
    Why «auxiliary» «subject» «do» «object»?
    Which of the «things» «auxiliary» «subject» «do» «when»?

clause:
    «subject» «did» «object»
    «subject» «did» «object» «where»
    «subject» «how» «did» «object»
    «subject» had «done» «object» «when»
    «object» lay «where»
    «object» was «more» than «object»
    the «noun» of «place» «did» «amount» «things»
    «name» and «name» «did» «object» «where»
    nobody «where» had «done» «object»

subject:
    «name»
    the «person»
    the «adjective» «person»
    «determiner» «person» from «place»
    the «person»'s «relative»
    «name» the «person»

object:
    the «noun»
    «determiner» «adjective» «noun»
    «determiner» «noun» «with» «amount» «things»
    the «noun» of the «person»
    «amount» «things»
    «amount» «adjective» «things»
    «name»'s «adjective» «noun»
    «determiner» «noun» that «subject» had «done»

with: with beside behind under without above
determiner: the this that another every our their his her one
joint: and but so yet while for because although
subordinate: when before after although because since unless wherever
auxiliary: did could would should
there:
    there were
    stood
    we counted
    lay
one_of:
    one of
    all but two of
    none of
    nearly half of
more: older heavier brighter quieter cheaper rarer smaller colder nearer stranger longer darker
amount: two three four five seven eight nine eleven twelve twenty forty several many
    «13..98»
    «100..999»
    more than «21..89»
times: days weeks years hours nights minutes winters summers mornings
how: slowly quietly twice carefully again almost gladly never soon secretly badly suddenly patiently
when:
    in the morning
    before the «event»
    after the «event»
    last «season»
    at «1..12» o'clock
    on the «ordinal» of «month»
    in «1640..1995»
    during the «adjective» «event»
    a year later
    that evening
where:
    in «place»
    near the «noun»
    under the «adjective» «noun»
    on the road to «place»
    behind the «noun»
    at the «event»
    between the «noun» and the «noun»
    across the «site»
place:
    «^syllable»«syllable»«town»
    «^syllable»«town»
    the «site»
    the «adjective» «site»
name:
    «^syllable»«ending»
    «^syllable»«syllable»«ending»
    «^syllable»«ending» «^syllable»«syllable»
ordinal: first second third fourth fifth sixth ninth tenth eleventh twentieth
month: January February March April May June July August September October November December
season: spring summer autumn winter week month night
event: flood harvest wedding trial storm market election fire concert journey funeral eclipse frost race feast lecture auction launch siege drought
site: harbour valley market station quarry library island forest mill bridge garden desert orchard canal workshop lighthouse archive square meadow cellar
relative: brother sister daughter son uncle aunt cousin neighbour rival teacher pupil partner
town: ford ham wick ton bury mere stead by thorpe haven
syllable: al ber cor dan el far gri hol in jor kel lun mar nor os pel quen rav sil tam ul ver wen yar zel bra cle dro fen gal
ending: a o en is ard ine or eth ia us an el
person: baker clerk sailor doctor miner weaver judge gardener surveyor printer shepherd painter engineer captain teacher carpenter widow farmer chemist musician potter keeper merchant student astronomer locksmith cook tailor soldier librarian
adjective: old small green broken heavy silent narrow bright empty wooden distant cold careful famous strange hollow quick pale honest rusty foreign patient crooked early bitter clever plain sudden golden shallow steep tired useful ancient modern gentle loud hidden solid loose
noun: lantern ledger bridge clock river boat letter engine window ladder bell stone map lamp kettle barrel mirror tower wheel anchor needle table fence rope hammer basket coin pump violin saddle chimney compass drawer curtain oven shovel notebook cabinet stove kite plough harp tunnel pillar ribbon bottle wagon gate drum loom
things: lanterns ledgers bridges clocks rivers boats letters engines windows ladders bells stones maps lamps kettles barrels mirrors towers wheels anchors needles tables fences ropes hammers baskets coins pumps violins saddles horses apples candles bricks planks feathers islands rumours questions chairs
did: found carried repaired sold painted lost remembered measured watched opened borrowed copied described followed hid kept praised returned sent stole trusted weighed bought counted drew explained feared guarded ignored polished
done: found carried repaired sold painted lost remembered measured watched opened borrowed copied described followed hidden kept praised returned sent stolen trusted weighed bought counted drawn explained feared guarded ignored polished
do: find carry repair sell paint lose remember measure watch open borrow copy describe follow hide keep praise return send steal trust weigh buy count draw explain fear guard ignore polish
";
