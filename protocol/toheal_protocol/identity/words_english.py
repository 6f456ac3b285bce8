"""The English safety words: 1024 of them, each known by its first four letters.

Plain things that do not hurt: no illness, body, faith, politics, war, loss, weapons or drugs.
Word n says the same as word n of the Arabic list, as nearly as one word can. The order is part of
the protocol: a changed word is another list and another version.

Spec: docs/protocol/identity.md, section 4.3.
"""

from __future__ import annotations

from typing import Final

_LIST: Final = """
acacia academy accordion actor advice agate agave agreement airport airship albatross album
alley almond alpaca alphabet aluminum amber ananas anchor ancient anemone anise answer antenna
antique anvil apartment apple apricot apron arcade arch arena aroma arrival artist asparagus
asphalt asteroid astronomer atlas attic audience author autumn avenue average avocado axis
azalea azure badger baker ball bamboo banana baobab barber barley barn basalt basil basket
battery bay bazaar beach bead beam bean beaver bee beginning begonia beige bell bench bergamot
berry bicycle biology birch bird bison blanket blender blossom blouse blue bobbin bottle bouquet
bowl box bracelet brake branch bread breeze brick broccoli bronze brook broth brown brush bubble
bucket bud builder bulb bulgur burlap bush butterfly byte cabbage cabinet cactus cafe calcium
calendar calm camera canary candle canyon captain caravan cardamom cargo carnival carob
carpenter carrot cart cashew castle cat cauliflower cavern ceiling celery cello cement center
ceramic chair chalk change chapter chard chat cheese chef cherry chess chickpea chime chirp
chisel choir cinema cinnamon circus cistern city clamp clarinet clay clean clementine clip cloak
clock cloud clove coach coast coat cobbler cocoa code coffee coil coin colleague color column
comb common compass concert cone continent cook cool copper coral coriander cork corn corridor
cotton couch courage crab creek cress crew cricket crimson crown crystal cube cuckoo cucumber
culture cumin cup curiosity cursor curtain curve cylinder cymbal dahlia daisy date day decade
decoration deep degree delight delta desert designer dew dialogue diamond diary digit dignity
dill director discovery dish display diver document doll dolphin dome domino door dot dough dove
dozen draft dragonfly drawing dream dress driver drizzle drum duet dune dusk dust eagle early
earring earth east ebony eclipse ecology effort eggplant eight electron elevator elm emblem
embroidery emerald energy engineer engraving entrance epoch equinox eraser essay estuary
eucalyptus evening example exchange expertise explorer fabric factory falafel falcon fan farmer
fashion faucet fava feather felt fennel fern festival fiber fiction field fig film finch firefly
first fish flake flamingo flask flavor floating flour flower flute foam focus fog folder
folklore foothill forest fork fossil fountain fox fragrance frame frequency fresh fridge friend
frost fuchsia furniture galaxy gallery garage garden garlic gate gauge gazelle gear gentle
geography geometry gesture gift ginger ginkgo giraffe giving glacier glass gleam glossary glove
glow glyph goal gold golf gondola goose grain granite grape grass gratitude gravity gray green
grill grocer grotto growth guava guest guide guitar gymnast half hall hamster handle hanger
harbor harmony harp harvest hat headset heater hedgehog hello hen heron herring hexagon hibiscus
hill history hive hobby hockey holiday honey hoopoe horizon horn horse host hotel house
hummingbird hundred ibex idea iguana inch index indigo ink institute internet inventor iris iron
island ivory ivy jacket jade jam jar jasmine jazz jewel jogging journey joy judo jug juice
junction jungle juniper kaftan kangaroo kayak kettle kimono kiosk kitchen kitten kiwi knitting
knowledge koala labneh lace ladle ladybug lake language lantern laptop lasagna laser laundry
laurel lavender learning lecture leek lemon lentil lesson letter lever lexicon library lid light
lilac lily lime linden linen list liter llama lobby loom lotus luggage lupine lute lychee lynx
magazine magnet mahogany mail mallow mandolin mango maple marathon marble mare margin marjoram
market mast match math matrix maze meadow means mechanic medal meerkat melon melting memo
mercury metal meteor metro microscope mile milk mill mint minute mixture mocha modesty molecule
moment month moon mop morning mosaic moss motion motor mountain mural murmur museum mushroom
music muslin napkin narrator nature near nebula necklace nectar neighbor neon neptune net
newspaper next nightingale nine noon north note novel number oak oasis oats obelisk oboe
observatory ocean octopus okra olive one onion opal open opera opinion orange orbit orchard
order oregano origin ornament oryx oxygen oyster page paint palace palette panda pantry paper
papyrus paragraph park parrot parsley partridge pasta patch path pattern peach peak pearl pebble
pecan pedal pen peony pepper perfume persimmon pestle petal pheasant philosopher phone physics
piano pickle picnic picture pier pigment pillow pilot pine pioneer pipe pistachio pixel plain
planet plastic plate player plaza plow plug plum pluto pocket podcast poem poet pole polygon
pomegranate pond pool popcorn poplar porcelain porridge poster potato pottery prairie present
printing prism prize program project promise proton publisher pulley pumpkin pupil purchase
purple puzzle pyramid quality quartz question quiet quilt quince quote rabbit raccoon racket
radio rain raisin rare ratio reading reason recipe rectangle red reed reef region rehearsal
reindeer report resin respect restaurant result rhyme rhythm ribbon rice riddle rider ripe
ripple river road robe robot rock room root rose rowing rubber ruby rudder rug ruler rustle rye
sack saddle safari saffron sage sail salamander salmon salon salt samba samovar sand sapling
sardine satchel satin saturn sauce savanna saxophone scarf scenario school scooter scout screen
sculpture seagull seashell second seed sequin serenity series service sesame seven shade shape
sharing shawl sheaf shelf shepherd shining ship shirt shop shovel shrimp side sign silk silver
simple singing sink skiing skirt sky slope smile smooth snail snow soap sock soda sofa soft
sonata song sound soup source south souvenir soy space sparrow spectrum speed spice spinach
sponge spoon spot spring spruce square squirrel stable stadium stage stamp stapler star station
steam step stork stove straw street student style suburb suitcase sumac summer sun swan swimming
sycamore syllable symbol symmetry symphony table tailor tale tangerine tarragon taste taxi
teacher teak team telescope tennis terrace texture thanks theater theory thicket thimble third
thousand thread thyme ticket tiger tile timber timer tin titanium title toaster tofu tomato tone
tool topaz topic tortoise toucan tour towel town toy track tradition trail tram translation
traveler tray treasure tree triangle trio trophy trousers trowel truck truffle trust tulip tuna
tundra turbine turmeric turnip turquoise twilight umbrella universe vacation valley vanilla
variety varnish vase vegetable vehicle velvet verb vessel vest video view villa vine violet
visit vista volunteer wagon waiter walk wallet walnut waltz warm washer watermelon wave weather
weaver website week welcome west wheat wheel whisper white willow window wing winter wisdom
wonder wood wool word workshop world writing yacht yarn year yellow yogurt yucca zenith zero
zigzag zinnia zipper zone zucchini
"""

ENGLISH: Final[tuple[str, ...]] = tuple(_LIST.split())
"""1024 words of small letters a to z."""
