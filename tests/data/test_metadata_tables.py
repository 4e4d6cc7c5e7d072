"""Tables of captions, classes and numbers as people have them: read where that can be, else named with the line."""

import json

import numpy as np
import pytest

from models_backend.data import labels, tables, texts
from models_backend.data.places import Pictures
from models_backend.data.sources import Source


def source(path):
    return Source(f"/d/{path}", f"/d/{path}", tuple(path.split("/")))


class Read:
    """What a table says of pictures in /d: captions, classes and notes, by the pictures' names."""

    def __init__(self, name, content, pictures=("0.png", "1.png", "2.png", "3.png")):
        data = content if isinstance(content, bytes) else content.encode()
        self.places = [("", f"/d/{picture}") for picture in pictures]
        self.words = labels.Words()
        self.reason = tables.read(source(name), data, Pictures(map(source, pictures)), self.words)

    @property
    def captions(self):
        return [self.words.captions.get(place, "") for place in self.places]

    @property
    def classes(self):
        return [self.words.labels.get(place, "") for place in self.places]

    @property
    def splits(self):
        said = labels.splits_of(self.words, self.places)
        return [said.get(place, "") for place in self.places]

    def attributes(self):
        found, rows = labels.attributes_of(self.words, self.places)
        return [(a.name, a.low, a.high) for a in found], [list(row) for row in rows]

    @property
    def notes(self):
        return "\n".join(self.words.notes.texts())


CATS = ["cat 0", "cat 1", "cat 2", "cat 3"]
ROWS = [(f"{i}.png", f"cat {i}") for i in range(4)]


def written(separator=",", head=("file_name", "text"), rows=ROWS, end="\n"):
    return end.join(separator.join(row) for row in (head, *rows)) + end


# ------------------------------------------------------------------------------------------------ separators, ends, encodings


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["metadata.csv", "labels.csv", "any.tsv", "captions.txt"])
def test_any_separator_and_any_line_end(separator, end, name):
    assert Read(name, written(separator, end=end)).captions == CATS


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_with_and_without_its_mark(codec):
    read = Read("metadata.csv", written(rows=[("0.png", "eine große Katze"), *ROWS[1:]]).encode(codec))
    assert read.captions == ["eine große Katze", *CATS[1:]]
    assert ("UTF-16" in read.notes) == (codec in ("utf-16", "utf-16-le", "utf-16-be"))


@pytest.mark.parametrize(
    "codec, words, name",
    [
        ("cp1252", "un café “noir” à la crème", "Windows-1252"),
        ("cp1251", "рыжая кошка на красном ковре", "Windows-1251"),
        ("koi8-r", "рыжая кошка на красном ковре", "KOI8-R"),
        ("cp932", "赤いねこがいます", "Shift-JIS"),
        ("gb18030", "一只红色的猫在地毯上", "GB18030"),
    ],
)
def test_other_encodings_are_read_and_said(codec, words, name):
    read = Read("metadata.csv", written(rows=[("0.png", words), *ROWS[1:]]).encode(codec))
    assert read.captions[0] == words and read.captions[1:] == CATS[1:]
    assert name in read.notes and "UTF-8" in read.notes


def test_a_damaged_byte_spoils_one_letter_only():
    data = written(rows=[("0.png", "größer und schöner"), *ROWS[1:]]).encode().replace(b"cat 1", b"c\xfft 1")
    read = Read("metadata.csv", data)
    assert read.captions == ["größer und schöner", "c\ufffdt 1", "cat 2", "cat 3"] and "damaged" in read.notes


def test_a_spreadsheets_line_that_names_the_separator_and_its_empty_cells():
    read = Read("metadata.csv", "sep=;\r\nfile_name;text;;\r\n0.png;a, b;;\r\n;;;\r\n1.png;cat 1;;\r\n")
    assert read.captions[:2] == ["a, b", "cat 1"] and "line" not in read.notes


def test_decimal_commas_where_the_separator_is_none():
    read = Read("metadata.csv", "file_name;age;weight\n0.png;0,5;1.234,5\n1.png;1,25;10,0\n2.png;2;3,0\n")
    assert read.attributes() == (
        [("age", 0.5, 2), ("weight", 3, 1234.5)],
        [[0.5, 1234.5], [1.25, 10], [2, 3], [None, None]],
    )
    assert texts.number("1,234") == 1234 and texts.number("0,5") == 0.5 and texts.number("1,234", comma=True) == 1.234


# ------------------------------------------------------------------------------------------------ bad lines and cells


def test_an_unclosed_quote_costs_its_line_and_is_named():
    read = Read("metadata.csv", 'file_name,text\n0.png,"cat 0"\n1.png,"cat 1\n2.png,"a ""big"", cat"\n3.png,cat 3\n')
    assert read.captions == ["cat 0", "cat 1", 'a "big", cat', "cat 3"]
    assert "metadata.csv, line 3: a quote is opened and never closed" in read.notes


def test_an_unclosed_quote_in_the_last_line_and_in_every_line():
    assert Read("metadata.csv", 'file_name,text\n0.png,cat 0\n1.png,"cat 1').captions[:2] == CATS[:2]
    read = Read("metadata.csv", "file_name,text\n" + "".join(f'{i}.png,"cat {i}\n' for i in range(4)))
    assert read.captions == CATS and "lines 2, 3, 4 and 1 more" in read.notes


def test_an_unclosed_quote_before_the_file_name():
    read = Read("metadata.csv", 'text;file_name\n"cat 0;0.png\n"cat 1";1.png\n"cat\n2";2.png\n')
    assert read.captions[:3] == ["cat 0", "cat 1", "cat\n2"] and "line 2: a quote" in read.notes


def test_line_ends_in_quotes_are_the_captions_own():
    read = Read("metadata.csv", 'text;file_name\n"two\nlines, and ""more""";0.png\n"x\r\ny";1.png\ncat 2;2.png\n')
    assert read.captions[:3] == ['two\nlines, and "more"', "x\r\ny", "cat 2"] and not read.notes


def test_commas_in_a_caption_without_quotes_and_too_many_cells():
    read = Read("metadata.csv", "file_name,text,age\n0.png,a cat, sitting, 3\n1.png,cat 1,4\n")
    assert read.captions[:2] == ["a cat, sitting", "cat 1"] and "line 2: more cells" in read.notes
    read = Read("metadata.csv", "file_name,label\n0.png,a,b\n1.png,c\n")
    assert read.classes[:2] == ["", "c"] and "line 2: more cells" in read.notes


@pytest.mark.parametrize("nothing", ["nan", "NaN", "null", "None", "N/A", "n/a", "NA", "", " ", "#N/A", "<NA>"])
def test_cells_that_say_nothing_are_unknown(nothing):
    read = Read(
        "metadata.csv", f"file_name,text,label,age\n0.png,{nothing},{nothing},{nothing}\n1.png,cat 1,a,1\n2.png,b,c,2\n"
    )
    assert read.captions[:2] == ["", "cat 1"] and read.classes == ["", "a", "c", ""]
    assert read.attributes() == ([("age", 1, 2)], [[None], [1], [2], [None]])


def test_nothing_in_json_is_unknown_too():
    lines = '{"file_name":"0.png","text":NaN,"label":null,"age":NaN}\n{"file_name":"1.png","text":"None","age":1,"label":"b"}\n'
    read = Read("metadata.jsonl", lines + '{"file_name":"2.png","age":Infinity}\n{"file_name":"3.png","age":3}\n')
    assert read.captions == [""] * 4 and read.classes == ["", "b", "", ""]
    assert read.attributes()[1] == [[None], [1], [None], [3]]
    assert "line 3" in read.notes and "age" in read.notes


def test_one_bad_cell_does_not_take_the_column_away():
    rows = "".join(f"{i}.png,{'old' if i == 2 else i}\n" for i in range(4))
    read = Read("metadata.csv", "file_name,age\n" + rows)
    assert read.attributes() == ([("age", 0, 3)], [[0], [1], [None], [3]])
    assert "line 4: “age” is no number here and counts as unknown: old" in read.notes


def test_columns_that_are_no_attributes_are_named():
    read = Read("metadata.csv", "file_name,artist,same,tiny\n0.png,Ann,1,0.001\n1.png,Bo,1,0.002\n")
    assert read.attributes()[0] == [("tiny", 0.001, 0.002)]
    assert "Columns that hold text and are passed over: artist" in read.notes
    assert "same (1)" in read.notes


@pytest.mark.parametrize(
    "bad", ['{"x":' + "[" * 100_000 + "]" * 100_000 + "}", "{broken", "[1]", "3", "\x00\x01", "[" * 100_000]
)
def test_a_line_that_is_no_object_is_named_and_the_others_are_read(bad):
    read = Read("metadata.jsonl", '{"file_name":"0.png","text":"cat 0"}\n' + bad + '\n{"file_name":"2.png","text":"cat 2"}\n')
    assert read.captions == ["cat 0", "", "cat 2", ""] and "metadata.jsonl, line 2: not understood" in read.notes


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_of_many_digits_is_unknown(digits):
    read = Read("metadata.jsonl", '{"file_name":"0.png","age":' + "9" * digits + "}\n" + "".join(
        f'{{"file_name":"{i}.png","age":{i}}}\n' for i in (1, 2, 3)))  # fmt: skip
    assert read.attributes()[1] == [[None], [1], [2], [3]] and "line 1" in read.notes
    assert Read("metadata.csv", f"file_name,age\n0.png,{'9' * digits}\n1.png,1\n2.png,2\n").attributes()[1][0] == [None]


def test_notes_are_counted_and_not_kept_one_by_one():
    read = Read("metadata.jsonl", "x\n" * 100_000)
    assert len(read.notes) < 300 and "and 99,997 more" in read.notes


# ------------------------------------------------------------------------------------------------ lists as values


def test_lists_as_values_are_captions_tags_and_classes():
    rows = [
        {"file_name": "0.png", "captions": ["cat 0", "another"]},
        {"file_name": "1.png", "tags": ["cat", "red"]},
        {"file_name": "2.png", "text": {"raw": "cat 2"}, "label": ["a", "b"]},
        {"file_name": "3.png", "text": [], "label": [2]},
    ]
    read = Read("metadata.jsonl", "\n".join(map(json.dumps, rows)))
    assert read.captions[:2] == ["cat 0", "cat, red"] and read.captions[3] == "" and read.classes[2:] == ["a", "2"]
    assert "line 1: a picture has several captions; the first is taken" in read.notes
    assert "line 3: a picture has several classes; the first is taken" in read.notes
    assert "line 4" in read.notes


def test_lists_written_into_cells():
    read = Read("metadata.csv", 'file_name;text\n0.png;[\'cat 0\', \'b\']\n1.png;"[""cat 1""]"\n2.png;[cat] 2\n3.png;[3]\n')
    assert read.captions == ["cat 0", "cat 1", "[cat] 2", "3"]


# ------------------------------------------------------------------------------------------------ names of files


@pytest.mark.parametrize(
    "column",
    ["file_name", "filename", "image", "image_path", "path", "filepath", "img", "url", "File", "Image", "image_id", "Foto"],
)
def test_any_column_that_names_pictures(column):
    assert Read("metadata.csv", written(head=(column, "text"))).captions == CATS


@pytest.mark.parametrize(
    "spelt",
    [
        "{}.png",
        "./{}.png",
        "{}",
        "/elsewhere/set/{}.png",
        "C:\\pictures\\{}.png",
        "https://x.org/a%20b/{}.png?w=3",
        "{}.PNG",
        "{}.jpg",
    ],
)
def test_names_as_they_are_spelt(spelt):
    rows = [(spelt.format(i), f"cat {i}") for i in range(4)]
    assert Read("data.csv", written(rows=rows)).captions == CATS


def test_a_name_in_another_folder_is_not_taken_for_this_one():
    pictures = ("cat/1.png", "dog/1.png", "dog/2.png")
    read = Read("metadata.csv", "file_name,text\ncat/1.png,a\ncat/2.png,b\n1.png,c\n", pictures)
    assert read.captions == ["a", "", ""]
    assert "names 2 files that are not there, such as cat/2.png" in read.notes


def test_a_table_above_or_beside_its_pictures():
    rows = [(f"images/{i}.png", f"cat {i}") for i in range(4)]
    pictures = [f"images/{i}.png" for i in range(4)]
    assert Read("metadata.csv", written(rows=rows), pictures).captions == CATS
    assert Read("images/metadata.csv", written(rows=rows), pictures).captions == CATS
    assert Read("metadata.csv", written(), pictures).captions == CATS


def test_a_table_without_a_first_line_of_names():
    read = Read("list.csv", "0.png;cat 0\n1.png;cat 1\n2.png;cat 2\n3.png;cat 3\n")
    assert read.captions == CATS and "first line names no columns" in read.notes
    read = Read("captions.token", "0.png#0\tcat 0\n0.png#1\tanother\n1.png#0\tcat 1\n")
    assert read.captions[:2] == ["cat 0", "cat 1"] and "line 2: the picture has a caption or class already" in read.notes


def test_a_table_of_something_else_is_none():
    assert Read("prices.csv", "what,price\nbread,2\n").reason
    assert Read("config.json", '{"steps": 3, "name": "x"}').reason
    assert Read("notes.txt", "Pictures of my cat.\nTaken in May.\n").reason
    assert Read("other.jsonl", '{"file_name": "elsewhere.png", "text": "x"}\n').reason == "it names no picture that is there"


# ------------------------------------------------------------------------------------------------ JSON layouts


def test_stylegans_dataset_json():
    pictures = ("00000/img00000000.png", "00000/img00000001.png", "00000/img00000002.png")
    names = [[name, number] for name, number in zip(pictures, (6, 0, 6))]
    assert Read("dataset.json", json.dumps({"labels": names}), pictures).classes == ["6", "0", "6"]
    one_hot = [[name, [0, 1, 0] if i else [1, 0, 0]] for i, name in enumerate(pictures)]
    assert Read("dataset.json", json.dumps({"labels": one_hot}), pictures).classes == ["0", "1", "1"]
    assert Read("dataset.json", json.dumps({"labels": None}), pictures).classes == [""] * 3


def test_chat_data():
    rows = [
        {"id": str(i), "image": f"{i}.png", "conversations": [
            {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": f"cat {i}"}]}
        for i in range(4)
    ]  # fmt: skip
    assert Read("llava.json", json.dumps(rows)).captions == CATS
    other = [{"image": f"{i}.png", "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": f"cat {i}"}]}
             for i in range(4)]  # fmt: skip
    assert Read("chat.jsonl", "\n".join(map(json.dumps, other))).captions == CATS
    for i, row in enumerate(other):  # pictures in a list, answers in pieces, as other chat trainers have them
        row["images"] = [row.pop("image")]
        row["messages"][1]["content"] = [{"type": "text", "text": "cat"}, {"type": "text", "text": str(i)}]
    assert Read("chat.jsonl", "\n".join(map(json.dumps, other))).captions == CATS
    other[1]["images"] = ["0.png", "1.png"]
    assert Read("chat.jsonl", "\n".join(map(json.dumps, other))).captions == ["cat 0", "", "cat 2", "cat 3"]


def test_objects_by_file_name():
    told = {f"/train/set/{i}.png" if i % 2 else str(i): {"caption": f"cat {i}", "tags": "x, y"} for i in range(4)}
    assert Read("meta_cap.json", json.dumps(told)).captions == CATS
    assert Read("meta_lat.json", json.dumps({str(i): {"tags": f"cat {i}"} for i in range(4)})).captions == CATS
    assert Read("captions.json", json.dumps({f"{i}.png": f"cat {i}" for i in range(4)})).captions == CATS
    assert Read("captions.json", json.dumps({f"{i}.png": [f"cat {i}", "b"] for i in range(4)})).captions == CATS
    assert Read("labels.json", json.dumps({f"{i}.png": i for i in range(4)})).classes == ["0", "1", "2", "3"]


def test_coco_captions_and_things():
    images = [{"id": 10 + i, "file_name": f"{i}.png", "height": 3, "license": 1} for i in range(4)]
    notes = [{"image_id": 10 + i, "id": i, "caption": f"cat {i}"} for i in (0, 1, 2, 3, 0)]
    read = Read("captions_val.json", json.dumps({"info": {}, "images": images, "annotations": notes}))
    assert read.captions == CATS and "line 1: a picture has several captions" in read.notes
    things = [{"image_id": 10 + i, "category_id": i % 2, "bbox": [1, 2, 3, 4]} for i in range(4)]
    kinds = [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]
    one = {"images": images, "annotations": things, "categories": kinds}
    assert Read("instances.json", json.dumps(one)).classes == ["cat", "dog", "cat", "dog"]
    one["annotations"] = [*things, {"image_id": 10, "category_id": 1}]
    assert Read("instances.json", json.dumps(one)).classes == [""] * 4


def test_karpathys_splits():
    images = [{"filename": f"{i}.png", "split": split, "sentences": [{"raw": f"cat {i}"}, {"raw": "b"}]}
              for i, split in enumerate(("train", "restval", "val", "test"))]  # fmt: skip
    read = Read("dataset_flickr8k.json", json.dumps({"images": images}))
    assert read.captions == CATS and read.splits == ["train", "train", "validation", "test"]


def test_lists_and_columns_of_objects():
    rows = [{"file_name": f"{i}.png", "text": f"cat {i}"} for i in range(4)]
    assert Read("a.json", json.dumps(rows)).captions == CATS
    assert Read("a.json", json.dumps({"version": 1, "data": rows})).captions == CATS
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    assert Read("a.json", json.dumps(columns)).captions == CATS
    assert Read("a.json", json.dumps({key: dict(enumerate(part)) for key, part in columns.items()})).captions == CATS


# ------------------------------------------------------------------------------------------------ split columns


@pytest.mark.parametrize(
    "column, values, said",
    [
        ("split", "train train val test", "train train validation test"),
        ("Usage", "Training Training PublicTest PrivateTest", "train train validation test"),
        ("partition", "0 0 1 2", "train train validation test"),
        ("subset", "TRAIN train valid train", "train train validation train"),
        ("is_valid", "False False True False", "train train validation train"),
        ("is_train", "1 1 1 0", "train train train test"),
        ("split", "train train nan test", "train train  test"),
        ("split", "a b c d", "   "),
        ("label", "train bus car test", "   "),
    ],
)
def test_columns_that_say_splits(column, values, said):
    read = Read(
        "metadata.csv", written(head=("file_name", column), rows=[(f"{i}.png", v) for i, v in enumerate(values.split())])
    )
    assert read.splits == said.split(" ")
    assert read.attributes()[0] == []


def test_a_wrong_cell_in_a_split_column_is_named():
    read = Read(
        "metadata.csv",
        written(head=("file_name", "split"), rows=[(f"{i}.png", v) for i, v in enumerate(("train", "train", "tset", "test"))]),
    )
    assert read.splits == ["train", "train", "", "test"] and "line 4: “split” names no split here: tset" in read.notes


def test_numbers_in_a_column_called_split_that_are_none():
    read = Read("metadata.csv", written(head=("file_name", "phase"), rows=[(f"{i}.png", str(i / 8)) for i in range(4)]))
    assert read.splits == [""] * 4 and np.isclose(read.attributes()[0][0][2], 0.375)


class Told:
    """What several tables say together of which split pictures in /d belong to."""

    def __init__(self, **tables_by_name):
        self.places = [("", f"/d/{i}.png") for i in range(4)]
        words = labels.Words()
        for name, (suffix, numbers) in tables_by_name.items():
            text = "image,label\n" + "".join(f"{i}.png,a\n" for i in numbers)
            if suffix == ".txt":
                text = "".join(f"{i}.png\n" for i in numbers)
            if suffix == ".jsonl":
                text = "".join(json.dumps({"image": f"{i}.png"}) + "\n" for i in numbers)
            tables.read(source(name + suffix), text.encode(), Pictures(source(f"{i}.png") for i in range(4)), words)
        said = labels.splits_of(words, self.places)
        self.splits = [said.get(place, "") for place in self.places]


@pytest.mark.parametrize(
    "names, said",
    [
        ({"train": (".csv", [0, 1]), "test": (".csv", [2, 3])}, "train train test test"),
        ({"captions_train2017": (".jsonl", [0, 1, 2]), "captions_val2017": (".jsonl", [3])}, "train train train validation"),
        ({"train": (".txt", [1]), "val": (".txt", [0]), "test": (".txt", [2])}, "validation train test "),
        ({"train": (".csv", [0, 1])}, "   "),
        ({"test": (".csv", [0, 1]), "val": (".csv", [2])}, "   "),
        ({"train_val": (".csv", [0, 1]), "test": (".csv", [2])}, "   "),
        ({"training": (".csv", [0, 1]), "bus": (".csv", [2, 3])}, "   "),
    ],
)
def test_tables_that_are_named_after_splits(names, said):
    assert Told(**names).splits == said.split(" ")


def test_a_split_column_wins_over_the_name_of_its_table():
    words, places = labels.Words(), [("", f"/d/{i}.png") for i in range(4)]
    pictures = Pictures(source(f"{i}.png") for i in range(4))
    tables.read(source("train.csv"), b"file_name,split\n0.png,train\n1.png,val\n", pictures, words)
    tables.read(source("test.csv"), b"file_name,label\n2.png,a\n3.png,a\n", pictures, words)
    said = labels.splits_of(words, places)
    assert [said[place] for place in places] == ["train", "validation", "test", "test"]


@pytest.mark.parametrize("column", ["comment", "alt_text", " Comment"])
def test_captions_of_other_names(column):
    read = Read(
        "results.csv", written("|", ("image_name", " comment_number", column), [(f"{i}.png", " 0", CATS[i]) for i in range(4)])
    )
    assert read.captions == CATS


@pytest.mark.parametrize(
    "written_as, names",
    [("1.0 2.0 10.0 ", ["1", "2", "10", ""]), ("1.0 1.5 2.0 ", ["1.0", "1.5", "2.0", ""]), ("v1.0 2.0 3.0 4.0", None)],
)
def test_classes_that_a_spreadsheet_wrote_as_decimal_numbers(written_as, names):
    cells = written_as.split(" ")
    read = Read("metadata.csv", written(head=("file_name", "label"), rows=[(f"{i}.png", cell) for i, cell in enumerate(cells)]))
    told = labels.whole_numbers(read.words.labels)
    assert [told.get(place, "") for place in read.places] == (names or cells)
