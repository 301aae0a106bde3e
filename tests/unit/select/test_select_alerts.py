"""Structural alerts: what each one finds and leaves alone, and agreement with published lists on bundled compounds."""

import csv
import gzip
import re
from pathlib import Path

import pytest
import yaml
from rdkit import Chem, rdBase
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

from mdstride.select.alerts import ALERTS, alarms

ROOT = Path(__file__).parents[3]

# alert: molecules that show it, then near misses that do not
CASES = {
    "peroxide": (
        {"CC(C)(C)OO": "tert-butyl hydroperoxide", "CC(=O)OO": "peracetic acid", "C1OOCO1": "1,2,4-trioxolane"},
        {"COC": "ether", "CC(=O)OC": "ester", "CSSC": "disulfide", "CON": "hydroxylamine", "C1OCO1": "1,3-dioxetane"},
    ),
    "azide": (
        {
            **{
                "CN=[N+]=[N-]": "methyl azide",
                "CN=N#N": "the same, pentavalent",
                "C[N-][N+]#N": "other resonance form",
            },
            **{"N=[N+]=[N-]": "hydrazoic acid", "O=C(c1ccccc1)N=[N+]=[N-]": "benzoyl azide"},
        },
        {"CN=NC": "azo", "C=[N+]=[N-]": "diazo", "c1nnn[nH]1": "tetrazole", "CN(C)N=Nc1ccccc1": "triazene"},
    ),
    "diazo": (
        {
            **{"C=[N+]=[N-]": "diazomethane", "C=N#N": "the same, pentavalent", "[CH2-][N+]#N": "other resonance form"},
            **{"[O-]c1ccccc1[N+]#N": "diazonium phenolate", "CCOC(=O)C=[N+]=[N-]": "ethyl diazoacetate"},
        },
        {"CN=[N+]=[N-]": "azide", "CN=NC": "azo", "C1N=N1": "diazirine", "CC#N": "nitrile", "C[N+]#[C-]": "isocyanide"},
    ),
    "polynitro": (
        {"O=[N+]([O-])C[N+](=O)[O-]": "dinitromethane", "O=[N+]([O-])OCCO[N+](=O)[O-]": "glycol dinitrate"},
        {"C[N+](=O)[O-]": "nitromethane", "O=NCC[N+](=O)[O-]": "nitro and nitroso"},
    ),
    "nitro": (
        {
            **{"O=[N+]([O-])c1ccccc1": "nitrobenzene", "CN(=O)=O": "nitromethane, pentavalent"},
            **{"CN(C)[N+](=O)[O-]": "dimethylnitramine"},
        },
        {"CO[N+](=O)[O-]": "nitrate", "CN=O": "nitroso", "[O-][n+]1ccccc1": "N-oxide", "C=[N+](C)[O-]": "nitrone"},
    ),
    "nitrate_ester": (
        {
            "CO[N+](=O)[O-]": "methyl nitrate",
            "CON(=O)=O": "the same, pentavalent",
            "CC(=O)O[N+](=O)[O-]": "acyl nitrate",
        },
        {"C[N+](=O)[O-]": "nitro", "CON=O": "nitrite", "COC(=O)N": "carbamate", "O[N+](=O)[O-]": "nitric acid"},
    ),
    "nitrite_ester": (
        {"CON=O": "methyl nitrite", "CC(C)CCON=O": "isoamyl nitrite"},
        {"CN=O": "nitroso", "CO[N+](=O)[O-]": "nitrate", "CC=NOC": "oxime ether", "ON=O": "nitrous acid"},
    ),
    "nitroso": (
        {"CN(C)N=O": "N-nitrosodimethylamine", "O=Nc1ccccc1": "nitrosobenzene", "CC(C)(C)N=O": "tert-nitrosobutane"},
        {
            **{"CC=NO": "oxime", "[O-][n+]1ccccc1": "N-oxide", "C[N+](C)(C)[O-]": "amine oxide", "CON=O": "nitrite"},
            **{"CN(C)[N+](=O)[O-]": "nitramine", "CC(N)=O": "amide"},
        },
    ),
    "azo": (
        {
            **{"CN=NC": "azomethane", "CN(C)N=Nc1ccccc1": "a triazene", "C1CN=NC1": "1-pyrazoline"},
            **{"CC(C)(C#N)N=NC(C)(C)C#N": "AIBN"},
        },
        {
            **{"c1ccc(N=Nc2ccccc2)cc1": "azobenzene", "c1ccnnc1": "pyridazine", "CC=NNC": "hydrazone"},
            **{"CN=[N+]=[N-]": "azide", "CN=[N+](C)[O-]": "azoxy"},
        },
    ),
    "heteroatom_halide": (
        {"O=C1CCC(=O)N1Br": "NBS", "CC(C)(C)OCl": "tert-butyl hypochlorite", "COCl(=O)(=O)=O": "perchlorate ester"},
        {"Clc1ccccn1": "2-chloropyridine", "CC(=O)Cl": "acyl chloride", "COCCl": "chloromethyl ether"},
    ),
    "acyl_halide": (
        {"CC(=O)Cl": "acetyl chloride", "COC(=O)Cl": "chloroformate", "O=C(F)c1ccccc1": "benzoyl fluoride"},
        {"CC(=O)OC": "ester", "CC(N)=O": "amide", "CC(=O)CCl": "chloroacetone", "ClC=C": "vinyl chloride"},
    ),
    "sulfonyl_halide": (
        {"CS(=O)(=O)Cl": "mesyl chloride", "O=S(=O)(F)c1ccccc1": "benzenesulfonyl fluoride"},
        {"CS(N)(=O)=O": "sulfonamide", "CS(=O)(=O)CCl": "chloromethyl sulfone", "CS(=O)(=O)OC": "mesylate"},
    ),
    "anhydride": (
        {
            **{"CC(=O)OC(C)=O": "acetic anhydride", "O=C1C=CC(=O)O1": "maleic anhydride"},
            **{"O=C1OC(=O)c2ccccc2N1": "isatoic anhydride, aromatic to RDKit", "CCOC(=O)OC(=O)OCC": "a dicarbonate"},
        },
        {
            **{"COC(=O)OC": "carbonate", "CC(=O)NC(C)=O": "imide", "CC(=O)CC(C)=O": "diketone", "COC(C)=O": "ester"},
            **{"CC(=O)OC=C": "vinyl acetate", "CC(=O)OOC(C)=O": "diacyl peroxide"},
        },
    ),
    "isocyanate": (
        {"CN=C=O": "methyl isocyanate", "N=C=O": "isocyanic acid"},
        {"CN=C=S": "isothiocyanate", "COC#N": "cyanate", "CNC=O": "formamide", "CN=C=NC": "carbodiimide"},
    ),
    "isothiocyanate": (
        {"C=CCN=C=S": "allyl isothiocyanate", "S=C=Nc1ccccc1": "phenyl isothiocyanate"},
        {"CSC#N": "thiocyanate", "CN=C=O": "isocyanate", "CNC(C)=S": "thioamide"},
    ),
    "carbodiimide": (
        {"CC(C)N=C=NC(C)C": "DIC", "CN=C=Nc1ccccc1": "methylphenylcarbodiimide"},
        {"NC#N": "cyanamide", "CN=CNC": "amidine", "CN=C=O": "isocyanate"},
    ),
    "ketene": (
        {"C=C=O": "ketene", "O=C=C=C=O": "carbon suboxide", "CN=C=C": "a ketenimine"},
        {"C=C=C": "allene", "CN=C=O": "isocyanate", "C=CC=O": "acrolein", "O=C=O": "carbon dioxide"},
    ),
    "allene": (
        {"C=C=C": "allene", "C=C=C=C": "butatriene", "C1=CCCCCCCC=1": "a cyclic allene"},
        {"C=CC=C": "butadiene", "C=C=O": "ketene", "CC#C": "propyne", "C=C=N": "ketenimine"},
    ),
    "polyyne": (
        {"C#CC#C": "butadiyne", "N#CC#CC#CC": "a cyanodiyne"},
        {"C#CCC#C": "skipped diyne", "C#CC=C": "vinylacetylene", "C#CC#N": "cyanoacetylene", "N#CC#N": "cyanogen"},
    ),
    "epoxide": (
        {"CC1CO1": "propylene oxide", "C1CCC2OC2C1": "cyclohexene oxide"},
        {"C1COC1": "oxetane", "C1CS1": "thiirane", "C1CN1": "aziridine", "C1NO1": "oxaziridine", "c1ccoc1": "furan"},
    ),
    "aziridine": (
        {"C1CN1": "aziridine", "C1=NC1": "2H-azirine", "OCCN1CC1": "aziridineethanol"},
        {"C1CNC1": "azetidine", "C1CO1": "epoxide", "C1NN1": "diaziridine", "NC1CC1": "cyclopropylamine"},
    ),
    "three_membered_heterocycle": (
        {"C1CS1": "thiirane", "C1N=N1": "diazirine", "C1NO1": "oxaziridine", "C1OO1": "dioxirane", "C1CO1": "oxirane"},
        {"C1CC1": "cyclopropane", "C1COC1": "oxetane", "OC1CC1": "cyclopropanol", "O=C1CC1": "cyclopropanone"},
    ),
    "cyclopropene": (
        {"C1=CC1": "cyclopropene", "O=C1C=C1": "cyclopropenone", "CC1=C(C)C1": "dimethylcyclopropene"},
        {"C=C1CC1": "methylenecyclopropane", "C=CC1CC1": "vinylcyclopropane", "C1=CCC1": "cyclobutene"},
    ),
    "fused_small_rings": (
        {
            **{"C1C2CC12": "bicyclobutane", "C1CC2CC12": "bicyclo[2.1.0]pentane", "C1=CC2C=CC12": "Dewar benzene"},
            **{"C12C3C4C1C5C2C3C45": "cubane", "C1=CC2C3C1C23": "benzvalene"},
        },
        {
            **{"C1CCC2CC12": "bicyclo[3.1.0]hexane", "C1CC12CC2": "spiropentane", "C1CC1C1CC1": "bicyclopropyl"},
            **{"C1C2CC1C2": "bicyclo[1.1.1]pentane", "C1CCC2CCC12": "bicyclo[3.2.0]heptane"},
        },
    ),
    "small_ring_alkyne": (
        {"C1CCC#CC1": "cyclohexyne", "C1=CC=CC#C1": "benzyne", "CC1(C)C#CC(C)(C)CCC1": "a cycloheptyne"},
        {"C1CCCC#CCC1": "cyclooctyne, isolable", "C#CC1CCCC1": "ethynylcyclopentane", "N#CC1CC1": "a nitrile"},
    ),
    "anti_bredt": (
        {
            **{"C1=C2CCC(C1)C2": "1-norbornene", "C1CC2=CCC1CC2": "bicyclo[2.2.2]oct-1-ene"},
            **{"C1=C2CC(CC1)C2": "bicyclo[3.1.1]hept-1-ene", "C1=C2CCC(C2)CC1": "bicyclo[3.2.1]oct-1-ene"},
        },
        {
            **{"C1=CC2CCC1C2": "norbornene", "C=C1C2CCC(C2)C1(C)C": "camphene", "CC1=CCC2CC1C2(C)C": "alpha-pinene"},
            **{"C1CCC2=CCCCC2C1": "an octalin", "C1CC2=C(C1)CCC2": "bicyclo[3.3.0]octene"},
            **{
                "C1=C2CCCC(CC1)C2": "bicyclo[3.3.1]non-1-ene, isolable",
                "C1=CC=C2C=CC=CC(=C1)C2": "methano[10]annulene",
            },
        },
    ),
    "zwitterion": (
        {"[NH3+]CC(=O)[O-]": "glycine zwitterion", "[O-]c1ccc[nH+]c1": "3-hydroxypyridine zwitterion"},
        {
            **{
                "NCC(=O)O": "glycine",
                "C[N+](C)(C)CC(=O)[O-]": "betaine, has no proton to move",
                "CN=[N+]=[N-]": "azide",
            },
            **{"C[N+](=O)[O-]": "nitro", "C[NH+](C)[O-]": "amine oxide", "C[n+]1cc([O-])on1": "sydnone"},
        },
    ),
}

# alert, molecules it finds in the bundled library of small C, H, N, O compounds; docs/selection.md shows the same
HITS = {
    **{"peroxide": 113, "azide": 51, "diazo": 31, "polynitro": 73, "nitro": 601, "nitrate_ester": 38},
    **{"nitrite_ester": 20, "nitroso": 318, "azo": 65, "heteroatom_halide": 0, "acyl_halide": 0},
    **{"sulfonyl_halide": 0, "anhydride": 87, "isocyanate": 94, "isothiocyanate": 0, "carbodiimide": 6},
    **{"ketene": 24, "allene": 83, "polyyne": 26, "epoxide": 201, "aziridine": 49},
    **{"three_membered_heterocycle": 270, "cyclopropene": 31, "fused_small_rings": 79, "small_ring_alkyne": 4},
    **{"anti_bredt": 3, "zwitterion": 5},
}


def read(name):
    with gzip.open(ROOT / "resources/compounds" / name, "rt", encoding="utf-8") as stream:
        return [row["smiles"] for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def libraries():
    """The bundled small compounds, and the short records with S or halogens of the other bundled library."""
    others = [
        s for s in read("pubchem_cid_smiles_166k.csv.gz") if len(s) < 20 and "." not in s and re.search("[SFIl]|Br", s)
    ]
    with rdBase.BlockLogs():
        found = {
            "small": [Chem.MolFromSmiles(smiles) for smiles in read("pubchem_chno_small.csv.gz")],
            "others": [Chem.MolFromSmiles(smiles) for smiles in others],
        }
    return {name: [mol for mol in mols if mol is not None] for name, mols in found.items()}


def catalogue(name):
    """RDKit's transcription of a published list: its entries by name."""
    parameters = FilterCatalogParams()
    parameters.AddCatalog(getattr(FilterCatalogParams.FilterCatalogs, name))
    filters = FilterCatalog(parameters)
    return {entry.GetDescription(): entry for entry in map(filters.GetEntry, range(filters.GetNumEntries()))}


@pytest.mark.parametrize("name", ALERTS)
def test_finds_the_group_and_nothing_like_it(name):
    shown, near = CASES[name]
    assert len(shown) >= 2 and len(near) >= 2
    alarm = alarms([name])
    assert {s: alarm(Chem.MolFromSmiles(s)) for s in shown} == dict.fromkeys(shown, name)
    assert {s: alarm(Chem.MolFromSmiles(s)) for s in near} == dict.fromkeys(near, None)


def test_all_alerts_together_name_the_first_of_the_table():
    nitroglycerin = Chem.MolFromSmiles("C(C(CO[N+](=O)[O-])O[N+](=O)[O-])O[N+](=O)[O-]")
    assert alarms(ALERTS)(nitroglycerin) == "polynitro"
    assert alarms(["zwitterion", "nitrate_ester", "polynitro"])(nitroglycerin) == "polynitro"
    assert alarms(["nitrate_ester"])(nitroglycerin) == "nitrate_ester"
    assert alarms(ALERTS)(Chem.MolFromSmiles("CC1OO1")) == "peroxide"
    assert alarms(ALERTS)(Chem.MolFromSmiles("CC1CO1")) == "epoxide"


def test_no_alert_is_raised_by_common_molecules():
    """Those that a gas-phase set is made of, the groups that need a partner to react among them."""
    seeds = (ROOT / "resources/seeds.csv").read_text("utf-8").splitlines()[1:]
    others = [
        "CC=O",
        "C=CC(C)=O",
        "COC(C)OC",
        "CCBr",
        "C#CC",
        "C1CC1",
        "NN",
        "CC=NO",
        "CS(C)=O",
        "Cn1cncn1",
        "CC(=O)SC",
    ]
    alarm = alarms(ALERTS)
    smiles = [line.split(",")[1] for line in seeds] + others
    assert {s: alarm(Chem.MolFromSmiles(s)) for s in smiles} == dict.fromkeys(smiles, None)


def test_no_names_no_alarm():
    assert alarms([])(Chem.MolFromSmiles("COOC")) is None
    with pytest.raises(KeyError, match="peroxides"):
        alarms(["peroxides"])


def test_the_schema_knows_the_same_names():
    schema = yaml.safe_load((ROOT / "src/mdstride/config.schema.yaml").read_text("utf-8"))
    assert schema["properties"]["screen"]["properties"]["alerts"]["items"]["enum"] == list(ALERTS)


def test_hits_in_the_bundled_library(libraries):
    """A change of a pattern shows here first."""
    chosen = {name: alarms([name]) for name in ALERTS}
    assert {name: sum(alarm(mol) == name for mol in libraries["small"]) for name, alarm in chosen.items()} == HITS


def test_the_documentation_shows_the_same_table():
    rows = re.findall(
        r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \| (\d+) \|$", (ROOT / "docs/selection.md").read_text("utf-8"), re.M
    )
    assert rows == [(a.name, a.what, a.why, a.source, str(HITS[a.name])) for a in ALERTS.values()]


@pytest.mark.parametrize(
    ("alert", "library", "list_name", "entry", "ours", "theirs", "both"),
    [
        # RDKit's BRENK list; agreement = both / (ours + theirs - both)
        ("isocyanate", "small", "BRENK", "isocyanate", 94, 94, 94),  # 100 %
        ("peroxide", "small", "BRENK", "peroxide", 113, 112, 112),  # 99 %: ours has O–O in an aromatic ring as well
        ("azide", "small", "BRENK", "Azido_group", 51, 48, 48),  # 94 %: and the resonance form N#[N+][N-]
        ("three_membered_heterocycle", "small", "BRENK", "Three-membered_heterocycle", 270, 263, 263),  # 97 %: azirines
        ("ketene", "small", "BRENK", "ketene", 24, 22, 22),  # 92 %: and ketenimines
        ("nitro", "small", "BRENK", "nitro_group", 601, 639, 601),  # 94 %: theirs has NO2 on oxygen as well
        ("acyl_halide", "others", "BRENK", "acid_halide", 244, 233, 232),  # 95 %: C=S as well; not the radical O=[C]Cl
        ("heteroatom_halide", "others", "BRENK", "N-halo", 113, 67, 67),  # 59 %: and halogen on O, on =N and aromatic N
        # The names agree, the groups do not: theirs is any N–N=O (nitramines too), ours any N=O (C-nitroso too).
        ("nitroso", "small", "BRENK", "N-nitroso", 318, 305, 249),  # 67 %
        # Theirs has 1,3-dicarbonyl compounds as well.
        ("anhydride", "small", "BRENK", "beta-keto/anhydride", 87, 320, 85),  # 26 %
        # Theirs are N=N outside rings (also azides, diazo compounds), and N#N as drawn (also azides drawn that way).
        ("azo", "small", "BRENK", "diazo_group", 65, 111, 39),  # 28 %
        ("diazo", "small", "BRENK", "diazo_group", 31, 111, 9),  # 7 %
        ("diazo", "small", "BRENK", "Azo_group", 31, 26, 23),  # 68 %
        # So these, and what BRENK lacks, against other lists.
        ("nitroso", "small", "CHEMBL_Glaxo", "R21 Nitroso", 318, 338, 318),  # 94 %: theirs has the 20 nitrites as well
        ("anhydride", "small", "CHEMBL_Glaxo", "R6 Acid anhydrides", 87, 85, 85),  # 98 %: and isatoic anhydrides
        ("carbodiimide", "small", "CHEMBL_Glaxo", "R23 Carbodiimide", 6, 6, 6),  # 100 %
        ("diazo", "small", "CHEMBL_Inpharmatica", "Filter7_diazo", 31, 31, 31),  # 100 %
        ("sulfonyl_halide", "others", "NIH", "sulfonyl_halide", 42, 42, 42),  # 100 %
    ],
)
def test_agreement_with_published_lists(libraries, alert, library, list_name, entry, ours, theirs, both):
    alarm, other = alarms([alert]), catalogue(list_name)[entry]
    found = [(alarm(mol) == alert, other.HasFilterMatch(mol)) for mol in libraries[library]]
    assert [sum(a for a, _ in found), sum(b for _, b in found), sum(a and b for a, b in found)] == [ours, theirs, both]
