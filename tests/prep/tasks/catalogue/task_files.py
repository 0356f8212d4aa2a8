"""Small files in exactly the format of tasks whose own are not at hand, and what they become."""

import json


def lines(*rows):
    return "".join(row + "\n" for row in rows)


def tabs(*rows):
    return lines(*("\t".join(row) for row in rows))


def objects(*rows):
    return lines(*(json.dumps(row, ensure_ascii=False) for row in rows))


SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "Ships",
            "paragraphs": [
                {
                    "context": "The ship (1912) sank.",
                    "qas": [
                        {
                            "id": "1",
                            "question": "When did it sink?",
                            "answers": [{"text": "1912", "answer_start": 10}] * 2,
                        },
                        {"id": "2", "question": "Why?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}
MULTIRC = {
    "idx": 0,
    "version": 1.1,
    "passage": {
        "text": "<b>Sent 1: </b>It rained.<br><b>Sent 2: </b>We stayed.<br>",
        "questions": [
            {
                "question": "Why did we stay?",
                "idx": 0,
                "answers": [
                    {"text": "Rain", "idx": 0, "label": 1},
                    {"text": "Snow", "idx": 1, "label": 0},
                ],
            }
        ],
    },
}
RECORD = {
    "source": "Daily mail",
    "idx": 0,
    "passage": {
        "text": "Ann met Bob.\n@highlight\nBob left\n@highlight\nAnn stayed",
        "entities": [{"start": 8, "end": 10}, {"start": 0, "end": 2}, {"start": 24, "end": 26}],
    },
    "qas": [
        {
            "query": "Later @placeholder returned",
            "idx": 0,
            "answers": [{"start": 8, "end": 10, "text": "Bob"}] * 2,
        }
    ],
}
MNLI_HEADER = (
    *("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2", "label1"),
)
MNLI_ROW = (*("0", "1", "1n", "fiction", "b", "b", "p", "p"), "He ran.", "He moved.", "neutral")
XNLI_HEADER = (
    *("language", "gold_label", "sentence1_binary_parse", "sentence2_binary_parse"),
    *("sentence1_parse", "sentence2_parse", "sentence1", "sentence2", "promptID", "pairID"),
)
XNLI_ROWS = tabs(
    XNLI_HEADER,
    ("en", "neutral", "", "", "", "", "He ran.", "He moved.", "1", "1"),
    ("ru", "contradiction", "", "", "", "", "Он бежал.", "Он стоял.", "1", "1"),
)
SNLI = objects(
    {"gold_label": "-", "sentence1": "x", "sentence2": "y", "annotator_labels": ["neutral"]},
    {"gold_label": "neutral", "sentence1": "A man.", "sentence2": "A cook.", "pairID": "1"},
)
SICK_HEADER = ("pair_ID", "sentence_A", "sentence_B", "relatedness_score", "entailment_judgment")
PAWS_HEADER = ("id", "sentence1", "sentence2", "label")
SICK = tabs(SICK_HEADER, ("1", "Kids play", "Children play", "4.5", "ENTAILMENT"))
TWEET = '"{}";"1386325927";"ann";"{}";"{}";"0";"0";"0";"0";"569";"61";"0"'


def two(train, validation, content):
    return {train: content, validation: content}


# Files of each task, the first example of its last split, and the same in HyperFormer's wording.
CASES = {
    "mrpc": (
        two("MRPC/train.tsv", "MRPC/dev.tsv", tabs(
            ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
            ("1", "7", "8", 'He said "no.', "No, he said."),
        )),
        ('mrpc sentence1: He said "no. sentence2: No, he said.', "equivalent"),
        ('sentence1: He said "no. sentence2: No, he said.', "1"),
    ),
    "qqp": (
        two("QQP/train.tsv", "QQP/dev.tsv", tabs(
            ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
            ("0", "1", "2", "Why?", "How?", "0"),
        )),
        ("qqp question1: Why? question2: How?", "not_duplicate"),
        ("question1: Why? question2: How?", "0"),
    ),
    "mnli": (
        {
            "MNLI/train.tsv": tabs((*MNLI_HEADER, "gold_label"), (*MNLI_ROW, "neutral")),
            **two("MNLI/dev_matched.tsv", "MNLI/dev_mismatched.tsv", tabs(
                (*MNLI_HEADER, "label2", "gold_label"), (*MNLI_ROW, "neutral", "contradiction"),
            )),
        },
        ("mnli hypothesis: He moved. premise: He ran.", "contradiction"),
        ("premise: He ran. hypothesis He moved.", "2"),
    ),
    "qnli": (
        two("QNLI/train.tsv", "QNLI/dev.tsv", tabs(
            ("index", "question", "sentence", "label"), ("0", "Who?", "Ann.", "not_entailment"),
        )),
        ("qnli question: Who? sentence: Ann.", "not_entailment"),
        ("question: Who? sentence: Ann.", "1"),
    ),
    "wnli": (
        two("WNLI/train.tsv", "WNLI/dev.tsv", tabs(
            ("index", "sentence1", "sentence2", "label"), ("0", "It fell.", "The cup fell.", "1"),
        )),
        ("wnli sentence1: It fell. sentence2: The cup fell.", "entailment"),
        ("sentence1: It fell. sentence2: The cup fell.", "1"),
    ),
    "superglue_rte": (
        two("RTE/train.jsonl", "RTE/val.jsonl", objects(
            {"premise": "p", "hypothesis": "h", "label": "not_entailment", "idx": 0}
        )),
        ("rte hypothesis: h premise: p", "not_entailment"),
        ("premise: p hypothesis: h", "1"),
    ),
    "multirc": (
        two("MultiRC/train.jsonl", "MultiRC/val.jsonl", objects(MULTIRC)),
        (
            "multirc question: Why did we stay? answer: Rain paragraph: "
            "Sent 1: It rained. Sent 2: We stayed. ",
            "True",
        ),
        (
            "question: Why did we stay? answer: Rain paragraph: "
            "Sent 1: It rained. Sent 2: We stayed. ",
            "1",
        ),
    ),
    "record": (
        two("ReCoRD/train.jsonl", "ReCoRD/val.jsonl", objects(RECORD)),
        (
            "record query: Later @placeholder returned entities: Ann, Bob passage: "
            "Ann met Bob. Bob left. Ann stayed",
            "Bob",
        ),
        (
            "query: Later @placeholder returned entities: Ann, Bob passage: "
            "Ann met Bob. Bob left. Ann stayed",
            "Bob",
        ),
    ),
    "snli": (
        {f"snli_1.0/snli_1.0_{split}.jsonl": SNLI for split in ("train", "dev", "test")},
        ("snli hypothesis: A cook. premise: A man.", "neutral"),
        ("premise: A man. hypothesis: A cook.", "1"),
    ),
    "scitail": (
        {
            f"SciTailV1.1/tsv_format/scitail_1.0_{split}.tsv": tabs(("a", "b", "neutral"))
            for split in ("train", "dev", "test")
        },
        ("scitail sentence1: a sentence2: b", "neutral"),
        ("sentence1: a sentence2: b", "1"),
    ),
    "sick": (
        {f"sick/SICK_{part}.txt": SICK for part in ("train", "trial", "test_annotated")},
        ("sick hypothesis: Children play premise: Kids play", "entailment"),
        ("premise: Kids play hypothesis: Children play", "0"),
    ),
    "paws": (
        {
            f"paws/{split}.tsv": tabs(PAWS_HEADER, ("1", "a", "b", "1"))
            for split in ("train", "dev", "test")
        },
        ("paws sentence1: a sentence2: b", "equivalent"),
        ("sentence1: a sentence2: b", "1"),
    ),
    "imdb": (
        {
            "imdb/train.csv": lines(
                "text,label", *(f'"Good, {i}.",1' for i in range(20)), *("Bad.,0",) * 5
            ),
            "imdb/test.csv": lines("text,label", '"Good, ""really"".",1'),
        },
        ('imdb text: Good, "really".', "positive"),
        ('Good, "really".', "1"),
    ),
    "yelp_polarity": (
        {
            "yelp_polarity/train.csv": lines(*(f'"2","{i}."' for i in range(500))),
            "yelp_polarity/test.csv": lines('"2","Good ""stuff""."'),
        },
        ('yelp_polarity sentence: Good "stuff".', "positive"),
        ('sentence: Good "stuff".', "1"),
    ),
    "trec": (
        {
            "trec/train_5500.label": b"NUM:date When ?\nHUM:ind Who is Andr\xe9 ?\n" * 5,
            "trec/TREC_10.label": b"HUM:ind Who is Andr\xe9 ?\n",
        },
        ("trec sentence: Who is André ?", "human"),
        ("sentence: Who is André ?", "3"),
    ),
    "stack_overflow_quality": (
        two("stack_overflow_quality/train.csv", "stack_overflow_quality/valid.csv", lines(
            "Id,Title,Body,Tags,CreationDate,Y",
            '34552656,Java: Repeat,"<p>I\'m, well</p>\n",<java>,2016-01-01 00:21:59,LQ_CLOSE',
        )),
        ("quality: Java: Repeat</s><p>I'm, well</p>\n", "none"),
        ("title: Java: Repeat body: <p>I'm, well</p>\n", "0"),
    ),
    "social_i_qa": (
        two("social_i_qa/train.jsonl", "social_i_qa/dev.jsonl", objects({
            "context": "Ann fell.", "question": "How is she?", "answerA": "hurt",
            "answerB": "glad", "answerC": "rich", "label": "3\n",
        })),
        (
            "social_i_qa question: How is she? context: Ann fell. answerA: hurt answerB: glad"
            " answerC: rich",
            "answerC",
        ),
        ("question: How is she? context: Ann fell. answerA: hurt answerB: glad answerC: rich", "2"),
    ),
    "cosmos_qa": (
        two("cosmos_qa/train.csv", "cosmos_qa/valid.csv", lines(
            "id,context,question,answer0,answer1,answer2,answer3,label",
            'a##b,"It rained, hard.",Why?,a,b,c,None of the above choices .,3',
        )),
        (
            "cosmos_qa question: Why? context: It rained, hard. answer0: a answer1: b answer2: c"
            " answer3: None of the above choices .",
            "answer3",
        ),
        (
            "question: Why? context: It rained, hard. answer0: a answer1: b answer2: c"
            " answer3: None of the above choices .",
            "3",
        ),
    ),
    "winogrande": (
        two("winogrande_1.1/train_l.jsonl", "winogrande_1.1/dev.jsonl", objects(
            {"qID": "3", "sentence": "A saw _.", "option1": "Eve", "option2": "Bob", "answer": "2"}
        )),
        ("winogrande sentence: A saw _. option1: Eve option2: Bob", "option2"),
        ("sentence: A saw _. option1: Eve option2: Bob", "2"),
    ),
    "hellaswag": (
        two("hellaswag/hellaswag_train.jsonl", "hellaswag/hellaswag_val.jsonl", objects(
            {"ctx": "She sat and", "endings": ["ran.", "ate.", "fell.", "sang."], "label": 3}
        )),
        (
            "hellaswag ctx: She sat and ending0: ran. ending1: ate. ending2: fell. ending3: sang.",
            "ending3",
        ),
        ("ctx: She sat and ending0: ran. ending1: ate. ending2: fell. ending3: sang.", "3"),
    ),
    "wmt16_en_ro": (
        {
            f"wmt16_en_ro/{split}.jsonl": objects({"translation": {"en": "Yes.", "ro": "Da."}})
            for split in ("train", "validation", "test")
        },
        ("translate English to Romanian: Yes.", "Da."),
        ("Yes.", "Da."),
    ),
    "iwslt2017_ro_nl": (
        {
            f"iwslt2017_ro_nl/{split}.tsv": tabs(("Da.", "Ja."))
            for split in ("train", "validation", "test")
        },
        ("translate Romanian to Dutch: Da.", "Ja."),
        ("Da.", "Ja."),
    ),
    "squad": (
        two("squad/train-v1.1.json", "squad/dev-v1.1.json", json.dumps(SQUAD)),
        ("question: When did it sink ? context: The ship ( 1912 ) sank . ", "1912"),
        ("question: When did it sink? context: The ship (1912) sank.", "1912"),
    ),
    "squad_v2": (
        two("squad/train-v2.0.json", "squad/dev-v2.0.json", json.dumps(SQUAD)),
        ("question: When did it sink ? context: The ship ( 1912 ) sank . ", "1912"),
        ("question: When did it sink? context: The ship (1912) sank.", "1912"),
    ),
    "causal_qa": (
        two("causal_qa/train.csv", "causal_qa/validation.csv", lines(
            "id,question,question_processed,context,context_processed,answer,answer_processed",
            '1,Why?,why?,It Rained.,it rained.,"Rain\tStorm","rain\tstorm"',
        )),
        ("why? \\n it rained.", "rain"),
        ("question: why? context: it rained.", "rain"),
    ),
    "danetqa": (
        two("DaNetQA/train.jsonl", "DaNetQA/val.jsonl", objects(
            {"question": "Так ли?", "passage": "Так.", "label": True, "idx": 0}
        )),
        ("danetqa passage: Так. question: Так ли?", "True"),
        ("passage: Так. question: Так ли?", "1"),
    ),
    "parus": (
        two("PARus/train.jsonl", "PARus/val.jsonl", objects(
            {"premise": "П", "choice1": "а", "choice2": "б", "question": "cause", "label": 1}
        )),
        ("parus choice1: а choice2: б premise: П question: cause", "choice2"),
        ("choice1: а choice2: б premise: П question: cause", "1"),
    ),
    "xnli_ru": (
        {
            "xnli/multinli.train.ru.tsv": tabs(
                ("premise", "hypo", "label"), ("Он бежал.", "Он стоял.", "contradictory")
            ),
            "xnli/xnli.dev.tsv": XNLI_ROWS,
            "xnli/xnli.test.tsv": XNLI_ROWS,
        },
        ("xnli_ru hypothesis: Он стоял. premise: Он бежал.", "contradiction"),
        ("hypothesis: Он стоял. premise: Он бежал.", "2"),
    ),
    "ru_twitter": (
        {
            "ru_twitter/positive.csv": lines(*(TWEET.format(i, f"ура; {i}", 1) for i in range(9))),
            "ru_twitter/negative.csv": lines(*(TWEET.format(i, f"увы {i}", -1) for i in range(9))),
        },
        None,
        None,
    ),
    "lenta": (
        {
            "lenta/lenta-ru-news.csv": lines(
                "url,title,text,topic,tags,date",
                *(f'u,Заголовок {i},"Текст, {i}",Россия,Все,1914/09/16' for i in range(99)),
            )
        },
        None,
        None,
    ),
    "rucola": (
        {
            f"RuCoLA/{name}.csv": lines(
                "id,sentence,acceptable,error_type,detailed_source", "0,Он шёл.,1,0,X"
            )
            for name in ("in_domain_train", "in_domain_dev", "out_of_domain_dev")
        },
        ("rucola sentence: Он шёл.", "acceptable"),
        ("sentence: Он шёл.", "1"),
    ),
    "e2e_nlg": (
        {
            f"e2e_nlg/{name}.csv": lines("mr,ref", '"name[Aromi], food[Fish]",Aromi has fish.')
            for name in ("trainset", "devset", "testset_w_refs")
        },
        ("e2e_nlg meaning: name[Aromi], food[Fish]", "Aromi has fish."),
        ("meaning: name[Aromi], food[Fish]", "Aromi has fish."),
    ),
}  # fmt: skip
