"""The words of phantom reports, by kind of finding. Nouns with an article in front can be counted.

No noun of one kind is part of a noun of another or of any other sentence, so that a report can be checked by its words.
"""

from __future__ import annotations

from radsweep.data.phantom.findings import CENTRAL, DEVICES, SIDED

NOUNS: dict[str, tuple[str, ...]] = {
    "opacity": (
        "a consolidation", "airspace disease", "a infiltrate", "pneumonia", "airspace shadowing",
        "alveolar filling", "pneumonic change", "lobar whitening", "a airspace opacity", "bronchopneumonia",
    ),
    "nodule": (
        "a nodule", "a round lesion", "a coin lesion", "a pulmonary mass", "a tumour", "a neoplasm",
        "a focal growth", "a spherical density", "a malignancy", "a space-occupying lesion",
    ),
    "cavity": (
        "a cavity", "a abscess", "a cavitary lesion", "a thick-walled ring", "a hollow lesion",
        "cavitation", "a ring shadow", "necrosis", "a cavitating process", "a annular shadow",
    ),
    "pneumothorax": (
        "a pneumothorax", "pleural air", "a air leak", "lung collapse from air", "intrapleural gas",
        "a visible visceral line", "absent lung markings", "extrapulmonary air", "barotrauma",
        "a pleural gas collection",
    ),
    "atelectasis": (
        "atelectasis", "volume loss", "a linear band", "a subsegmental streak", "discoid collapse",
        "a plate-like strand", "hypoventilation", "a fibrotic strand", "underinflation",
        "a horizontal stripe",
    ),
    "interstitial": (
        "reticulation", "interstitial disease", "fibrosis", "a mesh pattern", "septal thickening",
        "a net-like texture", "pneumonitis", "honeycombing", "interstitial markings", "a reticular pattern",
    ),
    "calcification": (
        "calcifications", "granulomas", "dense specks", "calcific foci", "chalky deposits",
        "old tuberculous scars", "calcareous spots", "healed granulomatous residues", "mineral deposits",
        "calcified dots",
    ),
    "effusion": (
        "a effusion", "pleural fluid", "a meniscus", "costophrenic blunting", "hydrothorax",
        "fluid layering", "a fluid collection", "pleural liquid", "a basal veil", "haemothorax",
    ),
    "cardiomegaly": (
        "cardiomegaly", "cardiac enlargement", "a enlarged heart", "a widened cardiac silhouette",
        "ventricular dilatation", "cardiac dilatation", "a big heart", "cardiomyopathy",
        "a increased cardiothoracic ratio", "a prominent cardiac shadow",
    ),
    "mediastinum": (
        "mediastinal widening", "a broad mediastinum", "adenopathy", "a mediastinal mass",
        "a tortuous aorta", "lymphadenopathy", "paratracheal fullness", "a goitre", "aortic unfolding",
        "mediastinal prominence",
    ),
    "pacemaker": (
        "a pacemaker", "a cardiac pulse generator", "a implanted defibrillator", "pacing hardware",
    ),
    "catheter": (
        "a central line", "a venous catheter", "a jugular cannula", "a dialysis line",
    ),
    "tube": (
        "a endotracheal tube", "a tracheal cannula", "a breathing tube", "a tracheostomy",
    ),
}  # fmt: skip

DESCRIPTORS: dict[str, tuple[str, ...]] = {
    "opacity": ("patchy", "confluent", "fluffy", "ill-defined", "hazy", "lobar"),
    "nodule": ("solitary", "rounded", "spiculated", "well-circumscribed", "lobulated", "solid"),
    "cavity": ("smooth-walled", "hollow", "irregular-walled", "air-containing", "ring-like", "centrally lucent"),
    "pneumothorax": ("apical-type", "loculated", "non-tension", "rim-like", "lucent", "spontaneous"),
    "atelectasis": ("linear", "plate-like", "band-like", "subsegmental", "streaky", "dependent"),
    "interstitial": ("reticular", "fine", "lace-like", "coarse", "meshed", "peripheral"),
    "calcification": ("punctate", "dense", "clustered", "chalky", "stippled", "healed"),
    "effusion": ("layering", "free-flowing", "meniscal", "dependent", "subpulmonic", "simple"),
    "cardiomegaly": ("global", "four-chamber", "globular", "biventricular", "chronic", "generalised"),
    "mediastinum": ("superior", "lobulated", "nodal", "vascular", "paratracheal", "bulky"),
}

SIZED = ("nodule", "cavity")
MILLIMETRES: dict[str, tuple[int, ...]] = {"mild": (5, 6, 8), "moderate": (12, 14, 15), "severe": (22, 25, 30)}

SEVERITY: dict[str, tuple[str, ...]] = {
    "mild": ("mild", "small", "slight", "minimal", "subtle", "faint", "minor"),
    "moderate": ("moderate", "moderately sized", "medium", "intermediate", "moderate-sized"),
    "severe": ("severe", "large", "marked", "extensive", "pronounced", "gross", "substantial"),
}
ZONE: dict[str, tuple[str, ...]] = {
    "upper": ("upper zone", "upper lobe", "apex", "apical region", "upper third", "upper field"),
    "mid": ("mid zone", "middle third", "perihilar region", "central zone", "midlung", "middle field"),
    "lower": ("lower zone", "lower lobe", "base", "basal region", "lower third", "lower field"),
}
SIDE = (
    "on the {side}", "in the {side} lung", "in the {side} hemithorax", "on the {side} side",
    "in the {side} chest",
)  # fmt: skip
ZONED_SIDE = (
    "in the {side} {zone}", "within the {side} {zone}", "over the {side} {zone}", "at the {side} {zone}",
    "in the {zone} on the {side}", "involving the {side} {zone}",
)  # fmt: skip

TOLD = (
    "there {be} {finding} {place}", "{finding} {place}", "{finding} {be} seen {place}",
    "{finding} {be} present {place}", "{place} there {be} {finding}", "{finding} {be} noted {place}",
    "{finding} identified {place}", "we see {finding} {place}", "{finding} again {place}",
    "{finding} {have} developed {place}",
)  # fmt: skip
RESTATED = (
    "{finding} {place}", "consistent with {finding} {place}", "appearances suggest {finding} {place}",
    "{finding} {place}, unchanged", "likely {finding} {place}", "probable {finding} {place}",
)  # fmt: skip
WORN = (
    "{finding} {be} in place", "{finding} {be} in satisfactory position", "note is made of {finding}",
    "{finding} {be} seen in situ",
)  # fmt: skip

DENIED = (
    "no {one}", "no evidence of {one}", "there is no {one}", "no sign of {one}", "no {one} or {other}",
    "without {one}", "negative for {one}", "no {one} and no {other}",
)  # fmt: skip

# A normal sentence, and the kinds that must be absent for it to be true ({side}: on that side).
NORMAL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the heart is normal in size", ("cardiomegaly",)),
    ("heart size is within normal limits", ("cardiomegaly",)),
    ("the cardiac contour is unremarkable", ("cardiomegaly",)),
    ("the mediastinal contours are normal", ("mediastinum",)),
    ("the mediastinum is not enlarged", ("mediastinum",)),
    ("cardiomediastinal contours are preserved", CENTRAL),
    ("the costophrenic angles are sharp", ("effusion",)),
    ("both pleural spaces are free", ("effusion", "pneumothorax")),
    ("the pleura is unremarkable", ("effusion", "pneumothorax")),
    ("the lungs are clear", SIDED),
    ("both lungs are well aerated", SIDED),
    ("the {side} lung is clear", SIDED),
    ("the {side} lung is fully expanded", ("pneumothorax", "atelectasis")),
    ("the {side} diaphragm is well defined", ("effusion",)),
    ("no lines or support apparatus", DEVICES),
)

REMARKS = (
    "comparison is made with the previous examination", "the patient was examined sitting",
    "inspiration is limited", "the bony thorax is intact for age",
    "degenerative spurs of the spine are again visible", "the image is slightly rotated",
    "no previous films are available", "the upper abdomen is partly included",
    "clinical details are limited", "the examination was performed at the bedside",
    "arthritic change of both shoulders", "correlation with laboratory values is advised",
    "the stomach bubble is normal", "soft tissues are within normal limits",
    "results were discussed with the ward by telephone", "follow up in six weeks is suggested",
    "technique is adequate", "electrodes overlie the thorax",
)  # fmt: skip

NORMAL_IMPRESSION = (
    "no acute cardiopulmonary abnormality", "normal chest", "no active disease", "normal study",
    "no acute process",
)  # fmt: skip
OPEN_IMPRESSION = (
    "see above", "as described above", "clinical correlation is recommended",
    "further imaging if symptoms persist", "please see the body of the report",
)  # fmt: skip

STOCK = (
    "FINDINGS: The lungs are clear. Normal heart. No effusion or pneumothorax. IMPRESSION: No active disease.",
    "FINDINGS: Heart size is within normal limits. Both lungs are well aerated. IMPRESSION: Normal chest.",
    "FINDINGS: Normal heart, lungs and mediastinum. IMPRESSION: Normal study.",
)
