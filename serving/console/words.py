"""What the console says, in English and Chinese. Words are a marketer's, not a statistician's."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

# key: (English, Chinese)
_WORDS: Mapping[str, tuple[str, str]] = {
    "tonight": ("Tonight", "今晚"),
    "audience": ("Audience", "受众"),
    "budget": ("Budget", "预算"),
    "model": ("Model", "模型"),
    "customer": ("Customer", "客户"),
    "sign_in": ("Sign in", "登录"),
    "sign_out": ("Sign out", "退出"),
    "key": ("Your key", "您的密钥"),
    "key_hint": (
        "It begins with upk_ and must be good for exports.",
        "密钥以 upk_ 开头，并且需要有导出权限。",
    ),
    "key_refused": (
        "This key is not known, has expired, or is not good for exports.",
        "该密钥未知、已过期或没有导出权限。",
    ),
    "skip": ("Skip to the content", "跳到正文"),
    "language": ("中文", "English"),
    "persuadable": ("Buys only with a coupon", "有券才买"),
    "sure_thing": ("Buys anyway", "无券也买"),
    "lost_cause": ("Hardly ever buys", "有券也不买"),
    "sleeping_dog": ("Buys less when sent a coupon", "发券反而少买"),
    "persuadable_name": ("Persuadables", "可说服者"),
    "sure_thing_name": ("Sure things", "必买者"),
    "lost_cause_name": ("Lost causes", "无望者"),
    "sleeping_dog_name": ("Sleeping dogs", "勿扰者"),
    "persuadable_why": (
        "The coupon pays for itself: what these customers buy because of it earns more than it "
        "costs.",
        "券能回本：这些客户因券多买所赚的，超过券的成本。",
    ),
    "sure_thing_why": (
        "They buy without it. A coupon would mostly give money away.",
        "没有券他们也会买，发券多半是白送钱。",
    ),
    "lost_cause_why": (
        "They rarely buy, and a coupon changes that too little to pay.",
        "他们很少购买，发券带来的变化不足以回本。",
    ),
    "sleeping_dog_why": (
        "A coupon puts them off. Leave them alone.",
        "发券会让他们少买，请不要打扰。",
    ),
    "data_from": ("Customers as of", "客户数据截至"),
    "published_run": ("Published run", "发布批次"),
    "customers": ("customers", "位客户"),
    "share": ("Share", "占比"),
    "people": ("Customers", "客户数"),
    "get_coupon": ("Get a coupon tonight", "今晚获券"),
    "get_coupon_why": (
        "After budget, holdout and permission; some get one at random, to keep learning.",
        "已扣除预算、对照组和授权限制；少数客户随机获券，用于继续学习。",
    ),
    "experiment_pass": ("The experiment can be trusted.", "实验可信。"),
    "experiment_warn": (
        "The experiment can be used, with a doubt.",
        "实验可用，但有疑点。",
    ),
    "experiment_fail": ("The experiment failed its checks.", "实验未通过检查。"),
    "what_changed": ("Since last night", "与昨晚相比"),
    "no_last_night": (
        "This is the first night, so there is nothing to compare with.",
        "这是第一晚，暂无可比较的数据。",
    ),
    "warnings": ("To look at", "需要关注"),
    "no_warnings": ("Nothing stands out.", "没有异常。"),
    "expected_profit": ("Expected profit", "预期利润"),
    "expected_spend": ("Expected spend", "预期花费"),
    "expected_conversions": ("Expected extra purchases", "预期新增购买"),
    "extra_why": (
        "Purchases that would not happen without the coupon.",
        "没有券就不会发生的购买。",
    ),
    "who": ("Who", "选择客户"),
    "segments": ("Response", "响应类型"),
    "evidence": ("How sure", "确定程度"),
    "strong": ("sure", "较确定"),
    "weak": ("not sure", "不确定"),
    "coupons": ("Coupon decided tonight", "今晚决定的券"),
    "net_value_min": ("Net value of at least, euro", "净价值不低于（欧元）"),
    "top_n": ("At most so many, best first", "最多人数（从最优开始）"),
    "budget_eur": ("As many as this pays for, euro", "预算内尽量多（欧元）"),
    "exclude": ("Leave out who is in", "排除已在此文件中的客户"),
    "group": ("Group", "组别"),
    "targeted": ("to be contacted", "可联系客户"),
    "control": ("held out, to measure against", "对照组（用于衡量效果）"),
    "file": ("File", "文件"),
    "format": ("Format", "格式"),
    "name": ("Name", "名称"),
    "csv": ("CSV", "CSV"),
    "excel": ("CSV for Excel", "Excel 用 CSV"),
    "xlsx": ("Excel workbook", "Excel 工作簿"),
    "parquet": ("Parquet", "Parquet"),
    "jsonl": ("JSON lines", "JSON 行"),
    "preview": ("Preview", "预览"),
    "what_to_expect": ("What to expect", "预期效果"),
    "in_audience": ("customers in this audience", "位客户符合条件"),
    "nobody": (
        "Nobody fits. Take away a restriction.",
        "没有符合条件的客户，请放宽条件。",
    ),
    "as_decided": ("If each gets what was decided tonight", "按今晚的决定发券"),
    "with_best": ("If each gets the coupon that is best for them", "每人发对其最优的券"),
    "offers": ("Coupons", "发券数"),
    "cost": ("Cost, euro", "成本（欧元）"),
    "profit": ("Profit, euro", "利润（欧元）"),
    "overlap": ("are in the last file of this name too", "位也在上一个同名文件中"),
    "write_file": ("Write the file", "生成文件"),
    "recent_exports": ("Recent files", "最近的文件"),
    "no_exports": ("None yet.", "暂无。"),
    "download": ("Download", "下载"),
    "cancel": ("Cancel", "取消"),
    "rows": ("Rows", "行数"),
    "state": ("State", "状态"),
    "asked_at": ("Asked for", "请求时间"),
    "queued": ("waiting", "排队中"),
    "running": ("being written", "生成中"),
    "done": ("ready", "已完成"),
    "failed": ("failed", "失败"),
    "cancelled": ("cancelled", "已取消"),
    "lost": ("lost: ask again", "已丢失，请重试"),
    "left_out": (
        "The holdout and whoever asked to be left alone are never in a file.",
        "对照组和要求不被打扰的客户永远不会出现在文件中。",
    ),
    "look_up": ("Look up", "查询"),
    "customer_id": ("Customer id", "客户编号"),
    "unknown_customer": (
        "The published run does not know this customer.",
        "当前发布批次中没有该客户。",
    ),
    "chance": ("Chance of buying", "购买概率"),
    "effect": ("Effect of the coupon", "券的效果"),
    "reasons": ("Why", "原因"),
    "reasons_why": (
        "What each feature adds to the usual effect of this coupon, in percentage points.",
        "每个特征相对于该券通常效果的增减（百分点）。",
    ),
    "usual": ("usual effect", "通常效果"),
    "decided": ("What would be decided", "将做的决定"),
    "no_coupon_for": ("No coupon", "不发券"),
    "contactable_no": ("May not be contacted.", "不可联系。"),
    "known": ("What is known", "已知信息"),
    "feature": ("Feature", "特征"),
    "value": ("Value", "取值"),
    "not_known": ("not known", "未知"),
    "points": ("points", "百分点"),
    "nothing_published": ("Nothing is published yet", "尚未发布任何结果"),
    "nothing_published_why": (
        "Run `make demo` for a simulated campaign, or the nightly job with your configuration.",
        "请运行 `make demo` 生成模拟活动，或用您的配置运行夜间任务。",
    ),
    "not_found": ("There is no such page", "页面不存在"),
    "expired_form": (
        "This form is too old. Go back, reload the page and send it again.",
        "表单已过期，请返回刷新页面后重新提交。",
    ),
    "no_report": (
        "The night has left no report of this. Run it again with this release.",
        "今晚没有留下这份报告，请用当前版本重新运行。",
    ),
    "everybody": ("everybody", "所有人"),
    "budget_lead": (
        "What a budget should bring, if it goes to the customers where it does most.",
        "预算用在最有效的客户上时，预期能带来什么。",
    ),
    "budget_slider": ("Budget tonight, euro", "今晚预算（欧元）"),
    "curve_title": ("Expected profit by budget", "不同预算的预期利润"),
    "stops_paying": (
        "More money stops paying at",
        "超过此金额继续花钱不再划算：",
    ),
    "report": ("The whole report", "完整报告"),
    "card": ("Model card", "模型卡"),
    "promoted": ("The model has proved itself.", "模型已证明有效。"),
    "not_promoted": (
        "No model has proved itself, so the best coupon for all is served.",
        "没有模型证明有效，目前对所有人使用最优的统一方案。",
    ),
    "history": ("Champions", "历任模型"),
}


class Words:
    """The words of one language; a key that nobody wrote is an error of the programmer."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._place = LANGUAGES.index(language)

    def __call__(self, key: str) -> str:
        """The words for ``key``."""
        return _WORDS[key][self._place]

    @property
    def other(self) -> Language:
        """The language that one may change to."""
        return LANGUAGES[1 - self._place]


def language_of(chosen: str | None, accepted: str) -> Language:
    """The language that was chosen, or the first of the browser's that we speak.

    Examples:
        >>> language_of(None, "fr-FR, zh-CN;q=0.8, en;q=0.7"), language_of("en", "zh")
        ('zh', 'en')
    """
    if chosen in LANGUAGES:
        return chosen
    for part in accepted.lower().split(","):
        tag = part.split(";")[0].strip().split("-")[0]
        if tag in LANGUAGES:
            return tag
    return "en"


def keys() -> tuple[str, ...]:
    """Every key that has words."""
    return tuple(_WORDS)
