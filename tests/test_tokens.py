"""How many tokens a text has, without a tokenizer: held against the counts of real ones."""

import pytest

from fusion_nb.accounts.token_counts import token_range
from fusion_nb.core import Ref

# (text, tokens in the public vocabularies of GPT-4o, Gemma 3, Qwen 3, Claude 2, Llama 2)
COUNTED: list[tuple[str, tuple[int, int, int, int, int]]] = [
    (
        "Asking three models the same question is only worth its price when they disagree in ways that a judge can see. Explain, with two examples, when a second opinion is worth paying for.",
        (38, 37, 38, 39, 39),
    ),
    (
        'def median(values: list[float]) -> float:\n    """The middle one, or the mean of the two in the middle."""\n    ordered = sorted(values)\n    half, odd = divmod(len(ordered), 2)\n    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2\n',
        (73, 80, 72, 72, 80),
    ),
    (
        '{"scores": {"K7": {"correctness": 9, "clarity": 7}, "Q2": {"correctness": 4, "clarity": 8}}, "ranking": ["K7", "Q2"], "rationale": "Only K7 checks the sum."}',
        (63, 63, 63, 59, 65),
    ),
    ("date,city,price\n2026-03-01,Oslo,12.50\n2026-03-02,Bergen,7.25\n2026-03-03,,19.00\n", (44, 62, 62, 45, 62)),
    (
        "| model | ttft | $/Mtok |\n|---|---:|---:|\n| gpt-4o | 0.41 | 10 |\n| claude | 0.73 | 15 |\n\n**Total:** about `$0.0123`.\n",
        (57, 64, 63, 57, 67),
    ),
    (
        "Die Donau ist nach der Wolga der zweitlängste Fluss in Europa. Sie entspringt im Schwarzwald und mündet nach etwa 2857 Kilometern ins Schwarze Meer. Erkläre bitte, warum die Strömungsgeschwindigkeit im Frühjahr höher ist, und nenne drei Gründe mit Beispielen aus der Praxis.",
        (73, 73, 84, 86, 90),
    ),
    (
        "La Révolution française est une période de bouleversements sociaux et politiques de grande envergure en France et dans ses colonies. Expliquez les causes principales en dix phrases, et dites ce qui a changé après l'été 1789.",
        (49, 52, 59, 62, 63),
    ),
    (
        "Объясните, пожалуйста, почему небо голубое, а закаты красные. Используйте простой язык и приведите три примера явлений, которые можно наблюдать невооружённым глазом без специальных приборов.",
        (47, 48, 64, 99, 80),
    ),
    (
        "Εξηγήστε γιατί ο ουρανός είναι μπλε και τα ηλιοβασιλέματα κόκκινα. Χρησιμοποιήστε απλή γλώσσα και δώστε τρία παραδείγματα.",
        (47, 47, 107, 134, 123),
    ),
    (
        "请解释为什么天空是蓝色的,而日落是红色的。请用简单的语言,并举三个可以用肉眼观察到的现象作为例子。最后请写一段总结,说明其中的物理原理。",
        (54, 43, 44, 69, 69),
    ),
    (
        "空が青く、夕焼けが赤い理由を説明してください。簡単な言葉を使い、肉眼で観察できる現象の例を三つ挙げてください。最後に、その背後にある物理原理をまとめてください。",
        (61, 45, 59, 89, 95),
    ),
    (
        "하늘이 왜 파랗고 노을이 왜 붉은지 설명해 주세요. 쉬운 말을 사용하고 맨눈으로 관찰할 수 있는 현상의 예를 세 가지 들어 주세요.",
        (43, 40, 49, 74, 92),
    ),
    (
        "اشرح لماذا السماء زرقاء وغروب الشمس أحمر. استخدم لغة بسيطة وأعط ثلاثة أمثلة على ظواهر يمكن ملاحظتها بالعين المجردة.",
        (38, 39, 44, 112, 108),
    ),
    (
        "อธิบายว่าทำไมท้องฟ้าจึงเป็นสีฟ้าและพระอาทิตย์ตกเป็นสีแดง ใช้ภาษาง่าย ๆ และยกตัวอย่างสามตัวอย่างที่สังเกตได้ด้วยตาเปล่า",
        (53, 41, 63, 200, 121),
    ),
    (
        "Hãy giải thích tại sao bầu trời có màu xanh và hoàng hôn có màu đỏ. Sử dụng ngôn ngữ đơn giản và đưa ra ba ví dụ về hiện tượng có thể quan sát bằng mắt thường.",
        (47, 40, 45, 112, 98),
    ),
    ("🎉🎂👩\u200d👩\u200d👧\u200d👦 party 🇩🇪🇫🇷 time ❤️\u200d🔥 👍🏽 😀😃😄😁", (37, 25, 32, 57, 60)),
    (
        "3.14159265358979323846264338327950288419716939937510 2718281828 1,234,567.89 2026-10-01 0x7fffffff 192.168.100.254",
        (53, 109, 108, 53, 110),
    ),
    (
        "\\begin{align} \\int_{-\\infty}^{\\infty} e^{-x^2}\\,dx &= \\sqrt{\\pi} \\\\ \\sum_{n=1}^{\\infty} \\frac{1}{n^2} &= \\frac{\\pi^2}{6} \\end{align} Prove that $\\zeta(2k)$ is a rational multiple of $\\pi^{2k}$.",
        (88, 78, 90, 80, 80),
    ),
    (
        "WHY DOES THE QUICK BROWN FOX JUMP OVER THE LAZY DOG, AND WHAT DO INVESTORS NEED TO KNOW ABOUT QUARTERLY FREE CASH FLOW?",
        (32, 30, 37, 42, 53),
    ),
]
VOCABULARIES = ("openai/gpt-4o", "google/gemma-3-27b", "qwen/qwen3-32b", "anthropic/claude-2", "meta-llama/llama-2-70b")


@pytest.mark.parametrize(("text", "counts"), COUNTED, ids=[text[:12] for text, _ in COUNTED])
def test_a_prompts_tokens_lie_in_their_range(text: str, counts: tuple[int, ...]) -> None:
    """Prose, numbers, code and scripts of many languages, as five real vocabularies count them."""
    for model, count in zip(VOCABULARIES, counts, strict=True):
        found = token_range(text, Ref("openrouter", model))
        assert found.low <= count <= found.high, model
        assert found.high <= 16 * found.low


def test_a_long_prompt_is_counted_by_samples() -> None:
    """A million characters take no longer than they must, and the range still holds what the whole count gives."""
    text = "The quick brown fox jumps over 13 lazy dogs.\n" * 22_000
    piece = token_range(text[:45_000], Ref("openai", "gpt-4o"))
    found = token_range(text, Ref("openai", "gpt-4o"))
    assert found.low <= 22 * piece.low <= 22 * piece.high <= found.high


@pytest.mark.parametrize("text", ["", " ", "\ud800", "\x00\x1b", "🎉" * 50, "a" * 5000, "=" * 3000, "\n" * 99])
def test_odd_texts_are_counted_too(text: str) -> None:
    """Nothing a person can put into a prompt breaks the count, or makes it more than its bytes."""
    found = token_range(text, Ref("s", "m"))
    assert 0 <= found.low <= found.high <= len(text.encode("utf-8", "replace"))
