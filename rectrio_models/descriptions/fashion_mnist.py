"""How people describe the ten garments of Fashion-MNIST: 100 descriptions, ten a class, and the words around them."""

from rectrio_models.descriptions import Descriptions, Words
from rectrio_models.descriptions.absent import ABSENT_ANYWHERE, ABSENT_FROM_FASHION
from rectrio_models.descriptions.fashion_mnist_held_out import HELD_OUT
from rectrio_models.descriptions.fashion_mnist_more import MORE, SENTENCES
from rectrio_models.descriptions.languages import languages_of
from rectrio_models.descriptions.typed import TYPED_FOR_FASHION

# fmt: off
WORDS = {
    "T-shirt/top": Words(
        descriptions=(
            "a plain cotton t-shirt with short sleeves",
            "a sleeveless summer top",
            "a crew neck tee to wear under a shirt",
            "a light jersey top for the gym",
            "a graphic tee with a print on the chest",
            "a tank top for hot days",
            "a v-neck t-shirt for men",
            "a fitted women's top with cap sleeves",
            "a boxy oversized tee",
            "a basic short-sleeved top for everyday wear",
        ),
        nouns=(
            "t-shirt", "tshirt", "tee", "tee shirt", "t shirt", "t-shirts", "tees", "top", "tank top", "tank",
            "crop top", "camisole", "vest top", "jersey top", "short-sleeved top", "singlet", "undershirt", "tops",
            "sleeveless top", "muscle tee", "tunic top", "halter top", "cami", "basic tee", "graphic tee",
        ),
        looks=(
            "short-sleeved", "short sleeve", "sleeveless", "crew neck", "v-neck", "scoop neck", "cotton jersey",
            "graphic", "printed", "boxy", "cropped", "strappy", "cap-sleeved", "round neck", "stretchy cotton",
        ),
        details=(
            "with short sleeves", "with no sleeves", "with a print on the chest", "with a logo on the front",
            "with thin straps", "with a crew neck", "with a v-neck", "with a slogan", "with bare arms",
        ),
        uses=(
            "for hot days", "for the gym", "to wear under a shirt", "to sleep in", "to wear with jeans in summer",
            "for sports class", "to wear under a sweater", "for working out", "to print a slogan on",
        ),
    ),
    "Trouser": Words(
        descriptions=(
            "a pair of straight-leg trousers",
            "slim dark pants for the office",
            "blue denim jeans",
            "wide-leg linen trousers for summer",
            "black leggings for yoga",
            "cotton chinos with a flat front",
            "warm jogging bottoms with a drawstring",
            "tailored suit trousers with a crease",
            "skinny jeans for women",
            "long cargo pants with pockets on the legs",
        ),
        nouns=(
            "trousers", "trouser", "pants", "pair of trousers", "pair of pants", "jeans", "pair of jeans", "slacks",
            "chinos", "leggings", "joggers", "jogging bottoms", "sweatpants", "cargo pants", "corduroys", "cords",
            "dress pants", "suit trousers", "skinny jeans", "denims", "khakis", "tracksuit bottoms", "breeches",
            "yoga pants", "culottes", "bell-bottoms", "flares", "jeggings", "pantaloons", "work trousers",
        ),
        looks=(
            "straight-leg", "wide-leg", "skinny", "slim-leg", "high-waisted", "low-rise", "bootcut", "flared", "denim",
            "pleated-front", "tapered", "full-length", "creased", "baggy-legged", "pinstriped suit",
        ),
        details=(
            "with two legs", "with a zip fly", "with pockets on the legs", "with a belt", "with a crease",
            "with turn-ups", "with a drawstring waist", "with long legs", "with belt loops", "with ripped knees",
        ),
        uses=(
            "to cover my legs", "for yoga", "for the legs", "to wear with a belt", "to go with my suit jacket",
            "for your lower body", "for jogging in the cold", "to wear instead of a skirt", "to pull over my legs",
        ),
    ),
    "Pullover": Words(
        descriptions=(
            "a thick knitted pullover for winter",
            "a warm woollen jumper",
            "a hooded sweatshirt without a zip",
            "a cashmere sweater with a round neck",
            "a long-sleeved knit to pull over the head",
            "a cosy turtleneck sweater",
            "a grey college sweatshirt",
            "a cable-knit jumper for cold evenings",
            "a soft fleece pullover",
            "a men's v-neck sweater to wear over a shirt",
        ),
        nouns=(
            "pullover", "pullovers", "sweater", "sweaters", "jumper", "jumpers", "sweatshirt", "hoodie", "hoody",
            "knit", "knitwear", "turtleneck", "turtleneck sweater", "polo neck", "roll neck", "woolly jumper",
            "fleece", "crewneck sweatshirt", "hooded sweatshirt", "jersey sweater", "knitted sweater",
            "roll-neck jumper",
            "wool sweater", "christmas jumper", "long-sleeved knit", "cashmere sweater",
        ),
        looks=(
            "knitted", "knit", "chunky knit", "cable-knit", "woollen", "woolly", "cashmere", "merino", "hooded",
            "ribbed knit", "fleecy", "mohair", "lambswool", "turtlenecked", "angora",
        ),
        details=(
            "with ribbed cuffs", "with a hood and no zip", "with a turtleneck", "with a knitted pattern",
            "with a roll neck", "knitted by grandma", "in cable stitch", "made of soft wool", "with a kangaroo pocket",
        ),
        uses=(
            "to pull over my head", "for cosy evenings by the fire", "to wear over a shirt", "to keep warm indoors",
            "to layer under a coat", "for chilly autumn evenings", "to knit", "for lounging on the sofa in winter",
        ),
    ),
    "Dress": Words(
        descriptions=(
            "a long evening dress",
            "a sleeveless summer dress",
            "a little black dress for a cocktail party",
            "a floral sundress",
            "a knee-length dress for the office",
            "a fitted bodycon dress",
            "a maxi dress with thin straps",
            "a wedding guest dress in satin",
            "a girl's party frock",
            "a long-sleeved jersey dress",
        ),
        nouns=(
            "dress", "dresses", "gown", "evening gown", "frock", "sundress", "maxi dress", "mini dress", "midi dress",
            "cocktail dress", "shift dress", "wrap dress", "party dress", "ball gown", "bodycon dress", "sheath dress",
            "summer dress", "pinafore dress", "slip dress", "prom dress", "wedding dress", "little black dress",
            "evening dress", "one-piece dress", "pencil dress", "tea dress", "bridesmaid dress",
        ),
        looks=(
            "floor-length", "knee-length", "bodycon", "a-line", "backless", "flowing", "maxi", "midi", "mini-length",
            "off-the-shoulder", "lace evening", "satin evening", "sleeveless knee-length", "bridal", "chiffon",
        ),
        details=(
            "with a long flowing skirt", "that reaches the knees", "down to the floor", "with a hem at the knee",
            "with a slit up the side", "with a train", "in one piece from shoulder to knee",
            "with a sweetheart neckline",
        ),
        uses=(
            "for a cocktail party", "for the prom", "to dance the night away in", "for a bridesmaid",
            "for a summer garden party", "for a woman going to the opera", "to wear to a ball", "for a wedding guest",
        ),
    ),
    "Coat": Words(
        descriptions=(
            "a long winter coat",
            "a warm padded jacket",
            "a trench coat with a belt",
            "a wool overcoat for the office",
            "a parka with a fur hood",
            "a buttoned pea coat",
            "a raincoat for wet weather",
            "a down puffer jacket",
            "a smart blazer for women",
            "outerwear with a zip and deep pockets",
        ),
        nouns=(
            "coat", "coats", "jacket", "jackets", "overcoat", "trench coat", "trenchcoat", "parka", "raincoat",
            "anorak",
            "puffer jacket", "pea coat", "duffle coat", "winter coat", "down jacket", "windbreaker", "blazer",
            "bomber jacket", "outerwear", "topcoat", "rain jacket", "leather jacket", "mackintosh", "cape coat",
            "waterproof jacket", "denim jacket", "quilted jacket", "mac",
        ),
        looks=(
            "double-breasted", "padded", "quilted", "down-filled", "waterproof", "belted wool", "fur-lined",
            "buttoned outdoor",
            "windproof", "insulated", "lined", "hooded waterproof", "heavy outdoor", "tweed outdoor", "zip-up padded",
        ),
        details=(
            "with a lining", "with a long zip down the front", "with big buttons down the front", "with lapels",
            "with a fur hood", "with deep outer pockets", "with a storm flap",
            "with a belt around the waist and lapels",
        ),
        uses=(
            "to put on over everything when it snows", "for wet weather", "to wear outdoors in winter",
            "against wind and rain", "for the ski slopes", "to keep the rain off", "for a freezing walk outdoors",
            "to wear over my suit in the cold",
        ),
    ),
    "Sandal": Words(
        descriptions=(
            "open-toed sandals for the beach",
            "strappy high-heeled sandals",
            "leather flip-flops",
            "summer shoes with straps",
            "flat gladiator sandals",
            "platform sandals with an ankle strap",
            "slip-on slides for the pool",
            "wedge sandals for women",
            "comfortable hiking sandals with velcro",
            "party heels with open toes",
        ),
        nouns=(
            "sandal", "sandals", "pair of sandals", "flip-flops", "flip flops", "flipflop", "slides", "sliders",
            "thongs for the feet", "gladiator sandals", "wedge sandals", "wedges", "strappy heels", "open-toed shoes",
            "open-toe heels", "peep-toe heels", "high-heeled sandals", "stilettos", "espadrille sandals", "mules",
            "slippers for the beach", "platform sandals", "beach shoes", "birkenstocks", "high heels", "heels",
        ),
        looks=(
            "open-toed", "open toe", "strappy", "peep-toe", "gladiator", "toe-post", "high-heeled strappy",
            "slip-on open",
            "t-bar", "slingback", "ankle-strap", "backless summer", "cork-soled", "wedge-heeled", "jelly",
        ),
        details=(
            "with open toes", "with straps around the foot", "that show the toes", "with an ankle strap",
            "with a strap between the toes", "with stiletto heels and straps", "with a cork footbed", "with bare toes",
        ),
        uses=(
            "to let my toes breathe", "for walking on the beach", "for my feet in summer", "for bare feet on hot sand",
            "to wear at the pool on my feet", "to show off painted toenails", "for a greek holiday on foot",
        ),
    ),
    "Shirt": Words(
        descriptions=(
            "a button-up shirt with a collar",
            "a white dress shirt for a suit",
            "a checked flannel shirt",
            "a silk blouse with long sleeves",
            "a formal shirt with cuffs",
            "a striped oxford shirt",
            "a linen shirt for a summer wedding",
            "a denim shirt with snap buttons",
            "a women's blouse with a bow",
            "a casual collared shirt worn untucked",
        ),
        nouns=(
            "shirt", "shirts", "dress shirt", "button-up shirt", "button-down shirt", "button-down", "blouse",
            "blouses",
            "collared shirt", "oxford shirt", "flannel shirt", "formal shirt", "business shirt", "checked shirt",
            "plaid shirt", "linen shirt", "silk blouse", "long-sleeved shirt", "office shirt", "hawaiian shirt",
            "tuxedo shirt", "chambray shirt", "lumberjack shirt", "work shirt", "poplin shirt", "buttoned shirt",
        ),
        looks=(
            "button-up", "button-down", "collared", "flannel", "checked", "plaid", "oxford", "poplin", "chambray",
            "crisp ironed", "buttoned and collared", "pinstriped collared", "silk collared", "starched", "ruffled",
        ),
        details=(
            "with a collar", "with buttons and a collar", "with cuffs and cufflinks",
            "with a collar and a breast pocket",
            "with a button placket", "with rolled-up sleeves and a collar", "with a buttoned collar",
            "with french cuffs",
        ),
        uses=(
            "to wear with a tie", "for a job interview with a tie", "to wear under a suit", "to iron before work",
            "to button up for the office", "to tuck in and wear with cufflinks", "to go with a bow tie",
        ),
    ),
    "Sneaker": Words(
        descriptions=(
            "a pair of running shoes",
            "white leather sneakers",
            "low-top canvas trainers",
            "skate shoes with flat soles",
            "lightweight gym trainers",
            "tennis shoes with laces",
            "slip-on sneakers",
            "sports shoes with a cushioned sole",
            "retro basketball shoes",
            "casual lace-up trainers for men",
        ),
        nouns=(
            "sneaker", "sneakers", "pair of sneakers", "trainers", "trainer shoe", "running shoes", "running shoe",
            "tennis shoes", "gym shoes", "sports shoes", "athletic shoes", "plimsolls", "kicks", "skate shoes",
            "canvas shoes", "basketball shoes", "jogging shoes", "low-tops", "deck shoes", "lace-up trainers",
            "workout shoes", "walking shoes", "pair of trainers", "sport shoe", "court shoes for tennis",
            "pumps for gym",
        ),
        looks=(
            "low-top", "lace-up canvas", "rubber-soled", "athletic", "sporty lace-up", "cushioned", "canvas low-top",
            "skate", "running", "mesh running", "retro basketball", "flat-soled sporty", "air-cushioned",
            "velcro sports",
        ),
        details=(
            "with rubber soles and laces", "with a cushioned sole", "with a swoosh", "with white laces and flat soles",
            "with three stripes on the side of the foot", "with air cushions", "with good grip for running",
        ),
        uses=(
            "for running a marathon", "to run in", "for playing tennis on court", "for my feet at the gym",
            "for jogging on the road", "to skateboard in", "for playing basketball", "to tie my laces and sprint in",
        ),
    ),
    "Bag": Words(
        descriptions=(
            "a leather handbag with a strap",
            "a small evening clutch",
            "a canvas tote for shopping",
            "a backpack for school",
            "a shoulder bag with a zip",
            "a weekend duffel bag",
            "a women's purse with handles",
            "a messenger bag for a laptop",
            "a quilted crossbody bag with a chain",
            "a roomy satchel to carry books",
        ),
        nouns=(
            "bag", "bags", "handbag", "handbags", "purse", "tote", "tote bag", "clutch", "clutch bag", "backpack",
            "rucksack", "satchel", "shoulder bag", "crossbody bag", "messenger bag", "duffel bag", "shopping bag",
            "briefcase", "holdall", "laptop bag", "travel bag", "school bag", "bucket bag", "hobo bag", "pocketbook",
            "evening bag", "shopper", "wash bag",
        ),
        looks=(
            "top-handle", "crossbody", "quilted chain", "roomy", "zip-top", "drawstring carry", "spacious",
            "over-the-shoulder",
            "two-handled", "carry-on", "chain-strap", "canvas tote", "patent handheld",
        ),
        details=(
            "with a shoulder strap", "with two handles", "with a clasp", "with a gold chain strap",
            "with many compartments",
            "with a zip pocket inside for my keys", "big enough for a laptop", "with a flap and a buckle",
        ),
        uses=(
            "to carry my things", "to carry books", "for my laptop", "for groceries", "to hold my phone and keys",
            "for travelling with luggage", "to keep my wallet in", "to carry on one shoulder", "for packing a picnic",
        ),
    ),
    "Ankle boot": Words(
        descriptions=(
            "a pair of leather ankle boots",
            "chelsea boots with elastic sides",
            "high-heeled booties with a zip",
            "suede desert boots",
            "lace-up winter boots",
            "biker boots with buckles",
            "warm lined boots for snow",
            "cowboy boots with a pointed toe",
            "rugged hiking boots",
            "black boots with a chunky heel",
        ),
        nouns=(
            "ankle boot", "ankle boots", "boot", "boots", "pair of boots", "bootie", "booties", "chelsea boots",
            "desert boots", "hiking boots", "winter boots", "combat boots", "biker boots", "cowboy boots", "snow boots",
            "work boots", "heeled boots", "chukka boots", "leather boots", "rain boots", "lace-up boots", "dress boots",
            "high-top boots", "wellington boots", "army boots", "riding boots",
        ),
        looks=(
            "ankle-high", "chelsea", "steel-toed", "lace-up ankle", "heeled ankle", "chukka", "combat", "biker",
            "hiking",
            "fur-lined ankle", "elastic-sided", "zip-up ankle", "high-ankled", "suede ankle", "block-heeled ankle",
        ),
        details=(
            "with a zip at the ankle", "that cover the ankles", "with elastic sides", "with a chunky heel and a shaft",
            "with steel toecaps", "with buckles around the ankle", "with a fur lining up to the ankle",
        ),
        uses=(
            "for hiking in the mountains on foot", "for feet in deep snow", "to keep my ankles warm",
            "for riding a motorbike on foot",
            "for muddy paths", "to stomp through puddles", "for construction work on my feet", "to protect my ankles",
        ),
    ),
}

DESCRIPTIONS = Descriptions(
    words=WORDS,
    neutral=(
        "black", "white", "grey", "blue", "red", "green", "brown", "beige", "pink", "dark", "light", "cheap",
        "expensive",
        "designer", "vintage", "new", "old", "used", "second-hand", "plain", "simple", "elegant", "stylish", "trendy",
        "comfortable", "comfy", "fashionable", "beautiful", "nice", "small", "large", "big", "casual", "classic",
        "modern", "branded", "colourful", "striped", "patterned", "men's", "women's", "ladies", "kids", "mens",
        "womens",
        "leather-look", "soft", "good quality", "warm", "lightweight",
    ),
    wearers=(
        "for men", "for women", "for kids", "for girls", "for boys", "for my sister", "for my dad", "for my girlfriend",
        "for him", "for her", "for a child", "for a teenager", "for ladies", "for gentlemen", "for my wife", "for me",
        "in black", "in white", "in my size", "on sale", "for everyday wear", "for work", "for a party",
    ),
    held_out=HELD_OUT,
    sentences=SENTENCES,
    more=MORE,
    languages=languages_of("FASHION_MNIST"),
    absent=ABSENT_ANYWHERE + ABSENT_FROM_FASHION,
    typed=TYPED_FOR_FASHION,
)
