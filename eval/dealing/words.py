"""The words names are made of: training splices its own, dev and test keep theirs to themselves."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """Return the words of ``text``."""
    return tuple(text.split())


DEV_WORDS = words(
    """
    amber anchor badger barrel beacon bramble canyon cedar cobalt copper coral dagger falcon fennel ferret garnet
    glacier goblin harbor hazel heron ivory juniper kettle lagoon magnet maple marble mossy nectar nickel otter
    parsnip pebble pewter piston poppy raven saffron sapphire shovel spruce thistle topaz turnip velvet walnut willow
    """
)

TEST_WORDS = words(
    """
    acorn almond alpine anvil apricot armada basalt basil bison blossom bonnet boulder bronze buckle butter cactus
    candle carbon castle celery cherry chisel cinder clover comet crystal cypress diamond domino dragon ember emerald
    feather fiddle flint forest fossil frozen galaxy ginger granite gravel hammer harvest helmet indigo jasper jungle
    kiwi lantern lava lemon lilac linen lotus mango meadow melon meteor mint mosaic nutmeg oasis obsidian olive onyx
    orchid oyster papaya pepper petal pigeon pillar plasma prism pumpkin quartz quiver radish ribbon ruby rustic
    scarlet shadow silver sparrow spider sulfur sunset tiger timber tulip tundra turtle umber vapor violet zircon
    """
)

# Only halves of these reach a prompt, glued to halves of others.
TRAIN_WORDS = words(
    """
    abbot actor adder agate alder angel apron arbor armor arrow aspen atlas autumn bamboo banana banner basket beaver
    birch bishop bobbin bracken brandy brick bridle brook bugle burrow button cabin camel canary canvas carpet carrot
    cello chalk charm chestnut chimney cider circus cobweb coffer compass cotton cricket crimson crown cuckoo curtain
    daisy damson desert dolphin donkey dune eagle eclipse elder elm engine fable fern fig finch flame flower fox frost
    garden gazelle gecko gem geyser glass glove gold goose grape grove gull gypsum hamlet hawk heather hedge holly
    honey hornet husky iris iron island ivy jacket jade jaguar jelly jewel kelp kernel kestrel ladder lark laurel
    leaf leather ledge lichen lily lime lion lizard lodge lynx magma mallow mantle marsh mill mirror monkey moon
    moss moth mushroom mustard needle nettle night nugget oak oat ocean onion opal orange osprey owl oxide palace panda
    panther paper peach pearl pecan pelican pine planet plum pollen pond poplar prairie puffin quail quarry quill rabbit
    raccoon rapid reef relic river robin rocket rose rubber saddle sage salmon sand satin scroll shale shell shrub silk
    slate sloth smoke snail snow spark sphinx sponge spring stallion starling steel storm straw stream summit swallow
    swamp swan table tablet talon tangerine temple tendril terrace thorn thunder tin toad token torch tower trellis
    trout tunnel turquoise twig valley vanilla vase vine viper vortex wagon warbler water wax weasel wheat whisker wick
    winter wolf wool wren yarrow yeast zebra zephyr
    """
)
