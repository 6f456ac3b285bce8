"""The English words of a spoken code: 1024 of them, and none sounds or looks nearly like another.

Plain things that do not hurt: no illness, body, faith, politics, war, loss, weapons or drugs. Each
is known by its first four letters, and takes two changed letters to become another. The order is
part of the protocol: a changed word is another list and another version.

Spec: docs/protocol/spoken.md, section 2.1.
"""

from __future__ import annotations

from typing import Final

_LIST: Final = """
acacia accordion acrobat adapter adventure advice aerial afternoon agreement airmail airport
airship album algebra almond alpaca alphabet aluminum amber amethyst anchor ancient angler anise
answer antenna antique apartment apple apricot apron aquarium arch armchair aroma arrival artist
artwork asparagus aspen asteroid astronomer atlas attic audience autumn avenue avocado badminton
bagel bagpipe baguette baker balcony balloon bamboo banana banjo banner barber barley barrel
basalt basil basket baton battery bay beacon bean beaver bedroom bee beginning beige bell bench
berry bicycle binder biology birch bird birthday biscuit bison blackboard blanket blender blimp
blossom blouse blueprint bobcat bonnet bookshelf bottle boulder bouquet bowl bracelet brake branch
bread breeze brick broadcast broccoli bronze brook broth brown brush bubble bucket bud buffalo
builder bulb bungalow burrito butterfly cabbage cabinet cactus calendar camera canary candy canoe
canteen canvas canyon captain caravan cardamom cargo carnival carousel carpenter cart cashew
castle catalog cauliflower cavern ceiling celery cello cement center ceramic chalk change chapter
chariot chat cheese chef cherry chess chickpea chime chipmunk chirp chisel chocolate choir chorus
cinema cinnamon circus citrus city clarinet clay clean clementine clip clock cloud clove coach
coast cobbler cockpit cocoa code coffee coil collage color column comb comet comic comma compass
concert confetti cook copper coral corduroy coriander corn corridor cosmos costume cotton courage
crab cracker cranberry crater crayon creek crystal cube cuckoo cucumber cumin cup curiosity
curtain cushion cyclist daffodil dahlia daisy dancer dandelion dashboard dawn decoration deer
delight denim depot designer dessert detour diagram dialogue diamond diary digit dill dinghy
dinner dinosaur diploma director discovery display document dolphin domain domino donut door dot
dough dove downtown dozen draft dragonfly drawing dream dress driver drum dumpling dune eagle
earmuff earring earth easel eclipse ecology edition eggplant eggshell electric elephant elevator
elm embroidery emerald energy engineer engraving entrance envelope eraser errand escalator evening
example exchange explorer express fabric fairy falafel falcon fan farmer faucet fern ferret
festival field fiesta fig film filter finch firefly first fish flagpole flake flamingo flannel
flask flavor floor flora flute flyer foam focus folder folklore forest fork fortune fossil fox
fragrance frame freezer fresh fridge friend frisbee frog frost fruit fudge funnel furniture gadget
galaxy gallery garage garden garlic garnish gate gazelle gear gecko gemstone gentle geometry gift
ginger ginkgo giraffe giving glacier glass gleam glider glitter globe glossary gnome goal goblet
goggles gold gondola goose gopher gourd grain granite grape gratitude gray green grill guava guide
guitar gymnast hall hamster handle harbor harmony harp harvest haystack hazelnut headset hedgehog
helmet hen heron herring hexagon hibiscus hilltop hinge history hive hobby hockey holiday honey
hoodie hoopoe hopscotch horizon horse host hotel hummingbird hundred hydrogen iceberg icicle icing
igloo iguana indigo ink inlet insect internet iris iron island ivory ivy jacket jade jam jazz
jelly jersey jewel jigsaw jogging journey joy jubilee juggler juice jukebox jumbo jumper junction
jungle juniper kangaroo kayak kennel ketchup kettle keyboard keyhole keynote kilt kimono kindness
kiosk kitchen kite kitten kiwi knitting knowledge koala lace ladder ladybug lagoon lampshade
landmark language lantern laptop lasagna laser laundry laurel lavender leaflet lecture ledger leek
lemon lemur lentil lesson letter library lid lifeboat light lilac lily lime linden list llama loaf
lobster locker logbook lollipop lotion lotus lounge luggage lullaby lunch luxury lyric macaroni
magazine magenta magic magnet magpie mail mandolin mango maple marathon marble margin marigold
market marmalade mast match mattress meadow meatball mechanic medal meerkat megaphone melon
melting memory merchant mermaid meteor metro microscope midday milk mineral minute mobile model
monitor month monument moon mop morning mosaic moss motor mountain mouse muffin mulberry museum
mushroom music muslin mustard nachos napkin nature nautilus nebula necklace nectar neighbor
newspaper nightingale nine noodle north note novelty nugget number nutmeg nylon oak oasis oats
ocean octagon octopus office okra olive onion opal open opera orange orbit orchard order ostrich
otter outdoor outfit outlet oxygen oyster page paint pajama palace palm pamphlet pancake panda
panel pantry papaya paper paragraph parcel park parrot parsley partridge passport pasta path patio
pattern pavement pavilion peach peanut pearl pebble pecan pelican pencil penguin peony pepper
perfume petal petunia phone piano piazza pickle picnic picture pillow pilot pinball pinwheel
pioneer pipe pistachio pitcher pixel plaid planet plastic plate player plaza plow plum plywood
pocket podcast poet pollen pomegranate pond popcorn poplar poppy popsicle porcelain porridge
portrait poster potato pottery prairie pretzel primrose printing prize program project prologue
promise protein pudding pulley pumpkin pupil puppet purple puzzle pyramid quail quartz question
quiet quote rabbit raccoon radio railway raincoat raisin raspberry reading recipe rectangle reef
reindeer relay respect restaurant reunion rhyme ribbon rice riddle rider ripple road robe robot
rodeo roller room rooster rosemary roundabout rowing ruby rucksack rudder rug ruler rustle saddle
safari saffron salmon salsa salt samovar sand sapling sapphire sardine satchel saturn savanna
saxophone scarf scenic school science scooter screen scribble sculpture seagull seahorse seashell
seaweed second seedling seesaw sequel serenade series service sesame seven shade shallot shampoo
sharing shawl shelf shepherd shining shirt shoelace shop shoreline shrimp shutter side signal silo
singing sketch skiing sky sleigh slipper smile smoothie snail snow soccer sock sofa softball solar
sombrero sonata song sound soup south souvenir spaniel sparrow speed spice spinach spiral sponge
spoon spot spring spruce square squirrel stable stadium stage stamp stapler star station steam
step stitch stool storybook stove straw street student style suburb subway sugar suitcase summer
sun surprise sushi swallow swan sweater swimming sycamore symbol symphony syrup tailor talent
tambourine tangerine taste taxi teacher teapot teaspoon telescope tempo tennis terrier texture
thanks theater thermos thimble thistle thread tiara ticket tiger timber tin titanium title toaster
tofu token tomato tone toolbox topaz topic torch tortoise toucan tour town tracing tradition
traffic trail tram translation traveler treasure tree triangle tricycle trinket trio trombone
trophy trousers trowel truck truffle trumpet tugboat tulip tuna turkey turmeric turnip turquoise
turtle tutor tuxedo twig twilight ukulele umbrella unicorn universe upstairs vacation valley
vanilla vase vegetable vehicle velvet veranda vestibule video view villa vinegar violet visit
vista wagon waiter walk wallet walnut walrus waltz warm watermelon wave weather website welcome
west wheat wheel whisper white window wing winter wisdom wonder woodland wool world writing yarn
yellow yogurt yoyo zebra zipline zipper zucchini
"""

SPOKEN_ENGLISH: Final[tuple[str, ...]] = tuple(_LIST.split())
"""1024 words of small letters a to z."""
